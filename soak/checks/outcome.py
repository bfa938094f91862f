"""What one check says."""

from __future__ import annotations

from dataclasses import dataclass


class CheckFailed(Exception):
    """The service answered, but not as it should; the message says what it did."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether a check passed, how many milliseconds it took, and if it did not pass, why."""

    ok: bool
    ms: float
    why: str = ""
