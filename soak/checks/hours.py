"""When checks and probes may ask the target: their connections would count as the target's where it is judged."""

from __future__ import annotations

from dataclasses import dataclass

SILENT_SHARE = 0.5  # of the quiet phase, its end: readings are taken and floors are judged there


@dataclass(frozen=True, slots=True)
class Hours:
    """The cycle, its quiet phase at the end, and the silence at the end of that; seconds."""

    cycle: float
    quiet: float

    @property
    def _silence(self) -> float:
        return self.quiet * SILENT_SHARE

    def open(self, now: float) -> bool:
        """May somebody ask now?"""
        return now % self.cycle < self.cycle - self._silence

    def next_open(self, t: float) -> float:
        """`t`, or the beginning of the next cycle when `t` falls into the silence."""
        return t if self.open(t) else (t // self.cycle + 1) * self.cycle
