"""Runs inside the benchmark's environment: what a profiler costs one workload, in CPU or in memory.

`cost.py cpu WORKLOAD TOOL PAIRS` prints the ratios of paired phases (off, on, off, on, ...) in one process: the CPU of
this process, user and system, in steady state. `cost.py memory WORKLOAD TOOL` prints resident bytes after a warm run.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

from workloads import WORKLOADS

KIB = 1024


class Nothing:
    """The null control."""

    def start(self) -> None:
        """Nothing."""

    def stop(self) -> None:
        """Nothing."""


class Soak(Nothing):
    """Our sampler; `interval` in bytes. Under LD_PRELOAD it samples malloc and mmap too."""

    def __init__(self, interval: int) -> None:
        spec = importlib.util.spec_from_file_location("_soak_heap_sampler", os.environ["SOAK_HEAP_SOURCE"])
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.sampler = module.HeapSampler(os.environ["SOAK_HEAP_LIBRARY"])
        self.interval = interval

    def start(self) -> None:
        """On."""
        self.sampler.start(self.interval)

    def stop(self) -> None:
        """Off."""
        self.sampler.stop()


class Tracemalloc(Nothing):
    """The interpreter's own tracer with one frame."""

    def start(self) -> None:
        """On."""
        tracemalloc.start(1)

    def stop(self) -> None:
        """Off."""
        tracemalloc.stop()


class Memray(Nothing):
    """With the Python allocators, into a file."""

    def start(self) -> None:
        """On: a tracker is used once."""
        import memray

        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name) / "out.bin"
        self.tracker = memray.Tracker(str(path), trace_python_allocators=True)
        self.tracker.__enter__()

    def stop(self) -> None:
        """Off; the file goes."""
        self.tracker.__exit__(None, None, None)
        self.folder.cleanup()


class Ddtrace(Nothing):
    """The heap profiler's allocator hook, as its collector starts it: 64 frames, 512 KiB, object domain."""

    def start(self) -> None:
        """On."""
        from ddtrace.internal.datadog.profiling import ddup
        from ddtrace.profiling.collector import _memalloc

        if not getattr(self, "uploader", None):
            ddup.config(service="bench", env="bench", version="1", output_filename=tempfile.mktemp())
            ddup.start()
            self.uploader = ddup
        self.hook = _memalloc
        self.hook.start(64, 512 * KIB, False)

    def stop(self) -> None:
        """Off."""
        self.hook.stop()


TOOLS = {
    "null": Nothing,
    "soak 64 KiB": lambda: Soak(64 * KIB),
    "soak 512 KiB": lambda: Soak(512 * KIB),
    "tracemalloc 1 frame": Tracemalloc,
    "memray": Memray,
    "ddtrace 512 KiB": Ddtrace,
}


def block(run: object) -> float:
    """CPU seconds of one block; it begins with nothing for the collector to find, so that its runs fall alike."""
    gc.collect()
    begun = time.process_time()
    run()
    return time.process_time() - begun


def phase(run: object) -> float:
    """CPU seconds of the least disturbed of three blocks, after one to get warm."""
    run()
    return min(block(run) for _ in range(3))


def cpu(workload: str, tool: str, pairs: int) -> list[float]:
    """Each phase with the tool over the mean of the phases without it before and after."""
    run, profiler = WORKLOADS[workload](), TOOLS[tool]()
    ratios, before = [], phase(run)
    for _ in range(pairs):
        profiler.start()
        with_it = phase(run)
        profiler.stop()
        after = phase(run)
        ratios.append(2 * with_it / (before + after))
        before = after
    return ratios


def memory(workload: str, tool: str) -> int:
    """Resident bytes at the end of ten runs with the tool on."""
    run, profiler = WORKLOADS[workload](), TOOLS[tool]()
    profiler.start()
    for _ in range(10):
        run()
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    profiler.stop()
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    what, job, name = sys.argv[1:4]
    print(json.dumps(cpu(job, name, int(sys.argv[4])) if what == "cpu" else memory(job, name)))
