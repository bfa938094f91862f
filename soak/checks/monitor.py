"""Runs the checks beside a soak: in threads of their own, so that a dependency that hangs never delays a sample."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from soak.background import in_background
from soak.checks.health import HEALTHY, UNHEALTHY, CheckHealth, Transition, aggregate
from soak.checks.hours import Hours
from soak.checks.kinds import ask
from soak.checks.outcome import Outcome
from soak.config import Check
from soak_storage.records import EventRow, Record

LOG = logging.getLogger(__name__)
LOOK_EVERY = 0.1  # seconds between two looks at answers that are awaited
SLACK = 1.0  # seconds beyond its timeout after which a check that does not return has failed
NEVER = float("inf")

Ask = Callable[[Check], Outcome]
OnUnhealthy = Callable[[Check, str], None]


@dataclass(slots=True)
class _Watched:
    """One check with where it stands."""

    check: Check
    health: CheckHealth
    next: float = 0.0
    began: float = 0.0
    answer: Future[Outcome] | None = None
    judged: bool = False  # the answer that is awaited was counted as failed already: it took too long
    change: Transition | None = None  # how it came to be in its state


class Checks:
    """Every check of a configuration: `initialize`, then `loop` whenever `due`, `finish` and `shutdown`.

    Each change of a check's state is an event of kind `check` that lasts as long as the state does: detail `name`,
    `state`, `before`, `why`. In the silence at the end of each quiet phase nothing is asked and states stay.
    """

    def __init__(
        self,
        checks: Sequence[Check],
        hours: Hours,
        *,
        on_unhealthy: Mapping[str, OnUnhealthy] | None = None,
        ask: Ask = ask,
    ) -> None:
        """`on_unhealthy`: what to call for `restart`, `webhook` and `command`; it has to return at once."""
        self._hours = hours
        self._on_unhealthy = on_unhealthy or {}
        self._ask = ask
        self._watched = [_Watched(check, CheckHealth(check.failures)) for check in checks]
        self._looked = 0.0

    def initialize(self) -> None:
        """Nothing to start: each check that is due gets a thread."""

    @property
    def due(self) -> float:
        """When `loop` wants to be called, in seconds of run time."""
        moments = [NEVER]
        for watched in self._watched:
            waiting = watched.answer is not None
            opens = self._hours.next_open(max(watched.next, self._looked))  # the silence may have begun since `next`
            moments.append(self._looked + LOOK_EVERY if waiting else opens)
        return min(moments)

    @property
    def states(self) -> dict[str, str]:
        """The state of each check by its name."""
        return {watched.check.name: watched.health.state for watched in self._watched}

    @property
    def health(self) -> str:
        """The aggregate of all checks."""
        return aggregate(self.states.values())

    def loop(self, now: float) -> Iterator[Record]:
        """Take the answers that have come, ask what is due; never waits."""
        self._looked = now
        for watched in self._watched:
            yield from self._collect(watched, now)
            if watched.answer is None and now >= watched.next and self._hours.open(now):
                self._begin(watched, now)

    def finish(self, now: float) -> Iterator[Record]:
        """The end of every state that still lasts."""
        for watched in self._watched:
            if watched.change is not None:
                yield _period(watched, watched.change, max(now, watched.change.t))

    def shutdown(self) -> None:
        """Stop asking; nobody is waited for."""
        self._watched.clear()

    def _begin(self, watched: _Watched, now: float) -> None:
        watched.began, watched.judged = now, False
        watched.next = now + watched.check.interval
        watched.answer = in_background(self._ask, watched.check)

    def _collect(self, watched: _Watched, now: float) -> Iterator[Record]:
        """An answer that came, or the failure of one that takes too long (a name server, for one, knows no timeout)."""
        answer, check = watched.answer, watched.check
        if answer is None:
            return
        if answer.done():
            watched.answer = None
            if not watched.judged:
                yield from self._judge(watched, answer.result(), now)
        elif not watched.judged and now - watched.began > check.timeout + SLACK:
            watched.judged = True
            late = Outcome(False, (now - watched.began) * 1000.0, f"no answer within {check.timeout:g} s")
            yield from self._judge(watched, late, now)

    def _judge(self, watched: _Watched, outcome: Outcome, now: float) -> Iterator[Record]:
        t = max(0.0, now)
        change = watched.health.saw(outcome, t)
        if change is None:
            return
        if watched.change is not None:
            yield _period(watched, watched.change, t)
        watched.change = change
        yield _period(watched, change, None)
        self._announce(watched.check, change)

    def _announce(self, check: Check, change: Transition) -> None:
        said = LOG.info if change.after == HEALTHY else LOG.warning
        said("check %s is %s%s", check.name, change.after, f": {change.why}" if change.why else "")
        action = self._on_unhealthy.get(check.on_unhealthy)
        if change.after == UNHEALTHY and action is not None:
            action(check, change.why)


def _period(watched: _Watched, change: Transition, until: float | None) -> EventRow:
    """The time that a state lasts; written again under its key when it ends."""
    name, health = watched.check.name, watched.health
    detail: dict[str, str | int] = {"name": name, "state": change.after, "before": change.before, "why": change.why}
    detail |= {"asked": health.asked, "failed": health.failed}
    return EventRow("check", change.t, until, detail, key=f"{name}@{change.t:.3f}")
