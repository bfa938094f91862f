"""What a row of outcomes means: states, transitions, the aggregate and the uptime. Pure; times in seconds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from soak.checks.outcome import Outcome

UNKNOWN, HEALTHY, DEGRADED, UNHEALTHY = "unknown", "healthy", "degraded", "unhealthy"
_WORST_FIRST = (UNHEALTHY, DEGRADED, UNKNOWN)


@dataclass(frozen=True, slots=True)
class Transition:
    """A check went from one state to another at `t`; `why` is what the last failure said."""

    t: float
    before: str
    after: str
    why: str


@dataclass(slots=True)
class CheckHealth:
    """The state of one check. It is `degraded` from its first failure on and `unhealthy` after `failures` in a row.

    One success makes it healthy again.
    """

    failures: int
    state: str = UNKNOWN
    since: float = 0.0
    in_a_row: int = 0
    asked: int = 0
    failed: int = 0
    last: Outcome | None = None

    def saw(self, outcome: Outcome, t: float) -> Transition | None:
        """Take an outcome into account; the transition if there is one."""
        self.asked += 1
        self.failed += not outcome.ok
        self.in_a_row = 0 if outcome.ok else self.in_a_row + 1
        self.last = outcome
        after = HEALTHY if outcome.ok else UNHEALTHY if self.in_a_row >= self.failures else DEGRADED
        if after == self.state:
            return None
        before, self.state, self.since = self.state, after, t
        return Transition(t, before, after, outcome.why)


def aggregate(states: Iterable[str]) -> str:
    """The worst of them: unhealthy, degraded, unknown (not asked yet), healthy. Without any check: healthy."""
    seen = set(states)
    return next((state for state in _WORST_FIRST if state in seen), HEALTHY)


def uptime(periods: Iterable[tuple[float, float, str]]) -> float | None:
    """Share of the time, 0 to 1, in which the state was not `unhealthy`; None when nothing was observed.

    `periods` are (from, to, state) of one check; time in which the state was unknown is not counted at all. A check
    counts as up while it is degraded: `failures` says how many failures in a row are taken seriously.
    """
    up = total = 0.0
    for begin, end, state in periods:
        if state != UNKNOWN:
            total += end - begin
            up += 0.0 if state == UNHEALTHY else end - begin
    return up / total if total > 0 else None
