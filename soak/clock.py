"""The one place that reads clocks, so that tests can hand in their own."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """What the service needs of time: a monotonic axis to keep pace by, and a wall clock for stamps only."""

    def monotonic(self) -> float:
        """Seconds on an axis that never jumps."""

    def wall(self) -> float:
        """Seconds since the epoch, UTC; may jump and is used for time stamps only."""

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""


@dataclass(frozen=True, slots=True)
class SystemClock:
    """CLOCK_MONOTONIC and the wall clock of this machine."""

    def monotonic(self) -> float:
        """Seconds of CLOCK_MONOTONIC."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since the epoch, UTC."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Sleep for `seconds`; a negative value returns at once."""
        time.sleep(max(0.0, seconds))
