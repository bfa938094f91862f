"""Tells whoever watches where the run stands, about once a second."""

from __future__ import annotations

from soak.parts.base import Run, grid
from soak.parts.load import LoadPart
from soak.parts.samples import SamplePart
from soak.progress import Status

EVERY = 1.0  # seconds


class StatusPart:
    """Makes a status of what the other parts know."""

    def __init__(self, run: Run, load: LoadPart, samples: SamplePart) -> None:
        self._run = run
        self._load = load
        self._samples = samples
        self._next = 0.0

    def initialize(self) -> None:
        """Nothing to start."""

    def due(self, now: float) -> float:
        """Once a second."""
        return self._next

    def loop(self, now: float) -> None:
        """Tell when it is time."""
        if now >= self._next:
            self._next = grid(now, EVERY)
            if now < self._run.end:  # what follows the last cycle is no phase
                self._run.listener.status(self.status(now))

    def status(self, now: float) -> Status:
        """Where the run stands."""
        run, book = self._run, self._load.book
        return Status(
            run_id=run.id,
            t=now,
            cycle=min(run.cycle, run.config.load.cycles - 1),
            cycles=run.config.load.cycles,
            phase=run.phase(now),
            rate=self._load.shape.rate(now),
            rss=self._samples.sampler.rss,
            seconds_left=max(0.0, run.end - now),
            requests=book.landed,
            errors=book.failed,
            verdict=run.verdict,
        )

    def shutdown(self) -> None:
        """Nothing to end."""

    def abandon(self) -> None:
        """Nothing to end."""
