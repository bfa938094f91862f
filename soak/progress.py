"""What a running soak tells whoever watches it: a status now and then, a message when something happens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Status:
    """Where a run stands. Times in seconds, rates in requests per second, memory in bytes."""

    run_id: int
    t: float
    cycle: int
    cycles: int
    phase: str  # load, quiet
    rate: float
    rss: float | None
    seconds_left: float
    requests: int
    errors: int
    verdict: str | None  # so far


class ProgressListener(Protocol):
    """Somebody who watches a run; called from the run's main loop, so it has to be quick."""

    def status(self, status: Status) -> None:
        """The run goes on: called about once a second."""

    def message(self, text: str) -> None:
        """Something happened that a person would want to know."""

    def ending(self) -> None:
        """The cycles are over: what is left takes its time, and stores hardly anything meanwhile."""

    def close(self) -> None:
        """The run is over: put away what is left on the screen."""


class Silent:
    """Nobody watches."""

    def status(self, status: Status) -> None:
        """Say nothing."""

    def message(self, text: str) -> None:
        """Say nothing."""

    def ending(self) -> None:
        """Say nothing."""

    def close(self) -> None:
        """Nothing was shown."""
