"""Where the Python heap was allocated: one face for the ways to know it.

A backend has `name`, `frames`, `start()`, `stop()`, `mark(cycle)`, `blocks()` and `read() -> (traced, own, sites)`
where a site is `[bytes, count, stack, extra]`, already summed by stack; a stack is a tuple of (file, line, function),
innermost last, and `extra` is what only some backends know (error, births, domain, native, partial).
"""

from __future__ import annotations

import os

from .stacks import OWN
from .stdlib import load, private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Site = list[Any]

TRACE_BYTES = 190  # of one block in what _get_traces returns: tuple 88, int 32, list slot 8, and the grouping
NATIVE_DOMAINS = ("malloc", "mmap")  # beside Python's allocators; mmap is address space, not residency
NOWHERE = (("<no Python frame>", 0, "<no Python frame>"),)
# What the sampler costs, for `cost`: s for each sample with its stack (0.2 to 0.8 us measured where every stack is
# known already), and s for each allocation with its release (1 to 3 ns measured in a loop, more where the cache is
# cold). How many allocations there were is told by the bytes a sample stands for, at the size most Python objects have.
SAMPLE_COST, ALLOCATION_COST, ALLOCATION_BYTES = 1.5e-6, 4e-9, 64
OVERHEAD_PER_BLOCK = 48  # of get_tracemalloc_memory for one traced block


class Off:
    """No heap tracking: sizes and sites are unknown."""

    name = "off"
    frames = 0
    pause = 0.0  # s of the last reading during which no other thread of the target could run
    makes_young = False  # whether `make_young` can be called

    def start(self) -> None:
        """Nothing to start."""

    def stop(self) -> None:
        """Nothing to stop."""

    def mark(self, cycle: int) -> None:
        """Nothing to mark."""

    def hide(self) -> None:
        """Nothing of the calling thread is seen anyway, or it is told by its files."""

    def blocks(self) -> int:
        """Nothing would be copied by a reading."""
        return 0

    def make_young(self, objects: list[Any]) -> None:
        """Only the sampler's library can: empties `objects`, and they stay as old as they are."""
        objects.clear()

    def restarts(self) -> int:
        """How often everything known before was lost, because another tool had taken the hooks off."""
        return 0

    def cost(self) -> float | None:
        """Seconds of CPU it has cost the target's own threads so far, by estimate; None where that is not known."""
        return 0.0

    def read(self) -> tuple[int | None, int, list[Site]]:
        """Unknown."""
        return None, 0, []


class Tracemalloc(Off):
    """Every block, by the interpreter's own tracer; its cost grows steeply with `frames`."""

    name = "tracemalloc"

    def __init__(self, frames: int) -> None:
        self.frames = max(1, frames)
        self.tracer = load("_tracemalloc")
        self.clock = load("time").perf_counter
        self.was_on = False

    def start(self) -> None:
        """Begin to trace; a target that traces already keeps its own setting."""
        self.was_on = bool(self.tracer.is_tracing())
        if self.was_on:
            self.frames = self.tracer.get_traceback_limit()
        else:
            self.tracer.start(self.frames)

    def stop(self) -> None:
        """Stop, unless the target had started it."""
        if not self.was_on:
            self.tracer.stop()

    def cost(self) -> float | None:
        """Not known in place: it multiplies what allocations cost by 2 to 10."""
        return None

    def blocks(self) -> int:
        """About how many blocks a reading would copy."""
        return int(self.tracer.get_tracemalloc_memory() / OVERHEAD_PER_BLOCK)

    def read(self) -> tuple[int | None, int, list[Site]]:
        """Copy the traces once, sum them by stack; own blocks are left out and counted as `own`."""
        traced: int = self.tracer.get_traced_memory()[0]
        sums: dict[tuple[tuple[str, int], ...], Site] = {}
        begun = self.clock()
        traces = self.tracer._get_traces()
        self.pause = self.clock() - begun  # what follows lets other threads run
        while traces:
            trace = traces.pop()
            site = sums.get(trace[2])
            if site is None:
                sums[trace[2]] = [trace[1], 1]
            else:
                site[0] += trace[1]
                site[1] += 1
        own = int(self.tracer.get_tracemalloc_memory())
        sites: list[Site] = []
        for stack, (size, count) in sums.items():
            if stack[0][0].startswith(OWN):
                own += size
                traced -= size
            else:
                sites.append([size, count, tuple((file, line, None) for file, line in reversed(stack)), {}])
        return traced, own, sites


class Sampled(Off):
    """The sampled allocator hook beside us, in `soak_heap`: whole stacks, and in which cycle a block was born."""

    name = "sampler"
    frames = 64
    makes_young = True

    def __init__(self, sampler: Any, interval: int) -> None:
        self.sampler = sampler
        self.interval = interval

    def start(self) -> None:
        """Begin to sample, one in `interval` bytes."""
        if self.interval:
            self.sampler.start(self.interval)
        else:
            self.sampler.start()

    def stop(self) -> None:
        """Give the allocators back."""
        self.sampler.stop()

    def mark(self, cycle: int) -> None:
        """What is born from now on belongs to `cycle`."""
        self.sampler.mark_cycle(cycle)

    def hide(self) -> None:
        """Leave out what the calling thread allocates from now on."""
        self.sampler.ignore_thread(True)

    def make_young(self, objects: list[Any]) -> None:
        """Have the collector take these for young, so that a collection looks at no other old ones."""
        self.sampler.make_young(objects)

    def restarts(self) -> int:
        """What the sampler noticed at its readings."""
        return int(self.sampler.restarts)

    def cost(self) -> float | None:
        """What its samples and the countdown at every allocation take, see SAMPLE_COST."""
        stats = self.sampler.stats()
        taken = int(stats.get("taken", 0))
        return taken * (SAMPLE_COST + int(stats.get("interval", 0)) / ALLOCATION_BYTES * ALLOCATION_COST)

    def read(self) -> tuple[int | None, int, list[Site]]:
        """Every stack with living samples, scaled to bytes; `traced` is of Python's own allocators alone."""
        sites: list[Site] = []
        traced = 0.0
        for row in self.sampler.read():
            stack = tuple((file, line, name) for file, line, name in row["stack"]) or NOWHERE
            if row.get("domain") in NATIVE_DOMAINS:
                extra = {"domain": row["domain"], "native": row.get("native")}
            elif stack[-1][0].startswith(OWN):
                continue
            else:
                extra, traced = {}, traced + row["bytes"]
            births = {str(cycle): round(size) for cycle, size in row["births"].items()}
            extra.update(error=row["error"], births=births, partial=bool(row.get("partial")))
            sites.append([round(row["bytes"]), round(row["count"], 1), stack, extra])
        self.pause = 0.0
        return round(traced), int(self.sampler.own_bytes()), sites


def choose(mode: str, frames: int, interval: int) -> tuple[Off, str]:
    """The backend for `mode` (auto, sampler, tracemalloc, off), started, and why it is not the first choice."""
    why = ""
    if mode in ("auto", "sampler"):
        try:
            backend = Sampled(_sampler(), interval)
            backend.start()
        except Exception as error:
            why = f"sampler: {error}"
        else:
            return backend, why
    if mode in ("auto", "tracemalloc"):
        tracer = Tracemalloc(frames)
        tracer.start()
        return tracer, why
    return Off(), why


def _sampler() -> Any:
    """The sampler, loaded by path under a private name; RuntimeError when it cannot run here."""
    package = os.path.join(os.path.dirname(OWN.rstrip(os.sep)), "soak_heap")
    module = private("_soak_heap_sampler", os.path.join(package, "sampler.py"))
    sampler = module.HeapSampler()
    able, why = sampler.available()
    if not able:
        raise RuntimeError(why)
    return sampler
