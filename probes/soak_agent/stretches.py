"""What holds every other thread of the target up in one go: measured each time, and left out where it takes too long.

A stretch is a call into C that keeps the GIL from the first object to the last. One that can be cut is done in slices,
between which the others have their turn; the rest (a full collection, a list of all objects, one pass for the referrers
of an object, a copy of all traces) can only be done or not. With a limit it is left out where the number of objects
times the least it ever took for each is over it: the least, in CPU time, because a busy machine only adds.
"""

from __future__ import annotations

from .stdlib import load, original

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

SLICE = 20_000  # objects looked at in one go: 1 to 2 ms
BREATH = 0.0002  # s between two slices: who waits for the GIL gets it
# s for each object, or block of tracemalloc, before anything was measured here: what it takes on a slow machine.
RATES = {"gc_collect": 1.2e-7, "gc_found": 4e-7, "objects": 3e-8, "holders": 1e-7, "heap": 4e-7}


class Stretches:
    """The stretches of one process; `seconds` has the longest of each name since `begin`."""

    def __init__(self) -> None:
        time = load("time")
        self.clock, self.cpu = time.perf_counter, time.thread_time
        self.sleep = original("time", "sleep")
        self.longest: float | None = None
        self.seconds: dict[str, float] = {}
        self.worked: dict[str, float] = {}  # the same in CPU time
        self.rates = dict(RATES)
        self.measured: set[str] = set()
        self.refused: set[str] = set()

    def begin(self, longest_ms: float | None) -> None:
        """A reading begins in which no stretch may take longer than that, as far as can be told beforehand."""
        self.longest = None if longest_ms is None else longest_ms / 1e3
        self.seconds, self.worked = {}, {}

    def foreseen(self, name: str, objects: int) -> float:
        """Seconds that `name` will take for so many objects."""
        return objects * self.rates[name]

    def fits(self, name: str, objects: int) -> bool:
        """Whether `name` may be done for so many objects.

        What did not fit once is not done again: figures with and without it cannot be compared.
        """
        if self.longest is None:
            return True
        if self.foreseen(name, objects) > self.longest:
            self.refused.add(name)
        return name not in self.refused

    def run(self, name: str, act: Callable[..., Any], *args: Any) -> Any:
        """Do it and note how long it took."""
        begun, worked = self.clock(), self.cpu()
        result = act(*args)
        self.worked[name] = max(self.worked.get(name, 0.0), self.cpu() - worked)
        self.seconds[name] = max(self.seconds.get(name, 0.0), self.clock() - begun)
        return result

    def learn(self, name: str, objects: int) -> None:
        """So many objects there were when `name` was last done."""
        if name in self.worked and objects:
            rate = self.worked[name] / objects
            self.rates[name] = min(rate, self.rates[name]) if name in self.measured else rate
            self.measured.add(name)

    def slices(self, name: str, objects: list[Any], act: Callable[[list[Any]], None], size: int = SLICE) -> None:
        """Do `act` with each slice of `objects`, the last first, and let go of it at once; empties `objects`."""
        while objects:
            self.run(name, _last, objects, act, size)
            self.breathe()

    def breathe(self) -> None:
        """Let the others have their turn."""
        self.sleep(BREATH)


def _last(objects: list[Any], act: Callable[[list[Any]], None], size: int) -> None:
    act(objects[-size:])
    del objects[-size:]
