"""What the parts of a run share, and what each of them is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from soak.clock import Clock
from soak.config import Config
from soak.errors import SoakError
from soak.progress import ProgressListener
from soak.recorder import Recorder
from soak.resume import place_in_time
from soak_storage import Store
from soak_storage.records import Record

NEVER = float("inf")


def grid(now: float, every: float) -> float:
    """The first multiple of `every` seconds after `now`: parts that keep to it wake the process together."""
    return (math.floor(now / every) + 1) * every


class Part(Protocol):
    """One part of a run. Times are seconds of run time: negative until the load begins."""

    def initialize(self) -> None:
        """Start; SoakError ends the run."""

    def due(self, now: float) -> float:
        """When `loop` wants to be called next; NEVER when it waits for nothing."""

    def loop(self, now: float) -> None:
        """Do what is due; quick, because sampling waits for it. SoakError ends the run."""

    def shutdown(self) -> None:
        """End in order; what was started ends here."""

    def abandon(self) -> None:
        """End without waiting for anybody."""


@dataclass(slots=True)
class Run:
    """One run: what it is made of, and where it stands."""

    id: int
    config: Config
    store: Store
    recorder: Recorder
    folder: Path
    clock: Clock
    listener: ProgressListener
    zero: float  # CLOCK_MONOTONIC at t = 0
    stopping: Callable[[], bool] = lambda: False  # has somebody asked to stop?
    cycle: int = 0
    segment: int = 0
    verdict: str | None = None  # so far
    decided: bool = False
    failure: SoakError | None = None
    resumed: bool = False  # does it go on after a crash of soak?
    pids: list[int] = field(default_factory=list)
    roots: tuple[tuple[int, int], ...] = ()  # (pid, start time) of an attached target
    python: str | None = None
    ceilings: dict[str, int] = field(default_factory=dict)  # what the system allows the target, by series

    @property
    def now(self) -> float:
        """Seconds of run time."""
        return self.clock.monotonic() - self.zero

    @property
    def cycle_seconds(self) -> float:
        """Length of a cycle."""
        return self.config.load.cycle

    @property
    def end(self) -> float:
        """When the last planned cycle ends."""
        return self.config.load.cycle * self.config.load.cycles

    def phase(self, now: float) -> str:
        """`load` or `quiet`."""
        return "load" if now % self.cycle_seconds < self.cycle_seconds - self.config.load.quiet else "quiet"

    def keep_target(self) -> None:
        """Store what is known of the target by now."""
        known: dict[str, Any] = {"command": list(self.config.target.command), "pids": self.pids, "python": self.python}
        known |= place_in_time(self.zero, self.roots)
        self.store.update_run(self.id, target={**known, "ceilings": self.ceilings})

    def put(self, records: Iterable[Record]) -> None:
        """Hand records to the one writer."""
        for record in records:
            self.recorder.put(record)
