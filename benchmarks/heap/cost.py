"""Runs inside the benchmark's environment: what a profiler costs one workload, in CPU or in memory.

`cost.py cpu WORKLOAD TOOL PAIRS WARM BLOCKS` prints the ratios of paired phases (off, on, off, on, ...) in one process:
the CPU of this process, user and system, in steady state. `cost.py memory WORKLOAD TOOL RUNS` prints resident bytes
after so many runs.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

from guest import load
from workloads import WORKLOADS

sys.path.insert(0, str(Path(os.environ["SOAK_ROOT"]) / "probes"))
from soak_probes.agent_client import AgentClient  # also where no agent is measured: it has a size

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
        self.sampler = load()
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


class Agent(Nothing):
    """soak's agent in this process, with a heap mode and with or without the births of handles."""

    def __init__(self, heap: str, *, handles: bool) -> None:
        import soak_agent

        self.folder = tempfile.mkdtemp()
        self.agent, self.client = soak_agent, AgentClient(self.folder)
        self.heap, self.handles = heap, handles

    def start(self) -> None:
        """On, and asked once, so that it is really there."""
        assert self.agent.start(self.folder, heap=self.heap, handles=self.handles)
        hello = self.client.connect(os.getpid(), timeout=30)
        assert (hello["heap_mode"], hello["handles"]) == (self.heap, self.handles), hello

    def stop(self) -> None:
        """Detached; what cannot be removed stays (an audit hook with nothing to look for)."""
        self.client.request(os.getpid(), "detach")
        self.client.drop(os.getpid())


class Outside(Nothing):
    """soak's probes from outside, ten samples a second instead of one: a phase takes half a second."""

    def start(self) -> None:
        """On."""
        command = [os.environ["SOAK_PYTHON"], "-m", "benchmarks.overhead.outside", str(os.getpid())]
        self.observer = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=os.environ["SOAK_ROOT"])
        self.observer.stdout.readline()

    def stop(self) -> None:
        """Off."""
        self.observer.terminate()
        self.observer.communicate()


TOOLS = {
    "null": Nothing,
    "soak 64 KiB": lambda: Soak(64 * KIB),
    "soak 512 KiB": lambda: Soak(512 * KIB),
    "tracemalloc 1 frame": Tracemalloc,
    "memray": Memray,
    "ddtrace 512 KiB": Ddtrace,
    "soak from outside": Outside,
    "agent idle": lambda: Agent("off", handles=False),
    "agent, handles": lambda: Agent("off", handles=True),
    "agent, sampler": lambda: Agent("sampler", handles=True),
    "agent, tracemalloc": lambda: Agent("tracemalloc", handles=True),
}


def block(run: object) -> float:
    """CPU seconds of one block; it begins with nothing for the collector to find, so that its runs fall alike."""
    gc.collect()
    begun = time.process_time()
    run()
    return time.process_time() - begun


def phase(run: object, warm: int, blocks: int) -> float:
    """CPU seconds of the least disturbed of some short blocks, after others to get warm.

    Other work on the machine takes caches and half a core away; among many short blocks one is likely to be left alone.
    """
    for _ in range(warm):
        run()
    return min(block(run) for _ in range(blocks))


def cpu(workload: str, tool: str, pairs: int, warm: int, blocks: int) -> list[float]:
    """Each phase with the tool over the mean of the phases without it before and after."""
    run, profiler = WORKLOADS[workload](), TOOLS[tool]()
    ratios, before = [], phase(run, warm, blocks)
    for _ in range(pairs):
        profiler.start()
        with_it = phase(run, warm, blocks)
        profiler.stop()
        after = phase(run, warm, blocks)
        ratios.append(2 * with_it / (before + after))
        before = after
    return ratios


def memory(workload: str, tool: str, runs: int) -> int:
    """Resident bytes at the end of so many runs with the tool on, after one without."""
    run = WORKLOADS[workload]()
    run()
    profiler = TOOLS[tool]()
    profiler.start()
    for _ in range(runs):
        run()
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    profiler.stop()
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    what, job, name, *counts = sys.argv[1:]
    print(json.dumps((cpu if what == "cpu" else memory)(job, name, *map(int, counts))))
