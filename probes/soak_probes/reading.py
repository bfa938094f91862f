"""What the probes give back, and how they say that they cannot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Unit = Literal["bytes", "count", "ratio"]
TOTAL = "total"


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of one series: `process` is `total` or `<pid>:<role>`; value None is a gap and `why` its reason."""

    name: str
    unit: Unit
    process: str
    value: float | None
    cost_us: float
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Excluded:
    """What is inside a target but not the target's: the agent's threads and the inodes of its sockets."""

    threads: int = 0
    fd_inodes: frozenset[int] = frozenset()


NOTHING_EXCLUDED = Excluded()


NO_RIGHTS = "may not be read by this user"  # ends what a refusal for lack of rights says


class Refused(Exception):
    """A reading cannot be had: it becomes a gap with this reason, never a zero."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


class ProcessGone(Exception):
    """The process ended while it was looked at: it has no reading, and that is no gap."""


class Missing(ProcessGone):
    """There is no such file: the process is gone, or its kernel does not have this file."""
