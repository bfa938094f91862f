"""How each request ended: the one place that counts, so that nothing is counted twice or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from soak.load.backoff import BackOff
from soak.load.http1 import NO_SOCKET
from soak.load.tally import NOTED

if TYPE_CHECKING:
    from soak.load.plan import ScenarioPlan
    from soak.load.tally import Tally

PUSH_BACK = (429, 503)


class Waiting(Protocol):
    """Who waits for the end of a request: a user, or a round of streams."""

    def ended(self, good: bool, now: float) -> None:
        """It is over: was it good, and when was that?"""


@dataclass(slots=True)
class Job:
    """One request on its way. Times are seconds since the run began."""

    tally: Tally
    intended: float
    fired: float
    user: Waiting | None = None
    retried: bool = False
    answered: bool = False


class Accounts:
    """Counts of one worker; tells the back-off what the target did, and users when their request is over."""

    def __init__(self, zero: float, unreachable: Callable[[], None]) -> None:
        """`zero`: CLOCK_MONOTONIC seconds at which the run began."""
        self.zero = zero
        self.backoff = BackOff()
        self.in_flight = 0
        self._unreachable = unreachable

    def now(self) -> float:
        """Seconds since the run began."""
        return monotonic() - self.zero

    def landed(
        self, job: Job, scenario: ScenarioPlan, status: int, retry_after: float | None, moment: float = 0.0
    ) -> None:
        """A whole response arrived, at `moment` (CLOCK_MONOTONIC; 0: now): the end of a plain request.

        What `_answered` and `end` do, in one go: every request comes by here.
        """
        now = (moment or monotonic()) - self.zero
        tally = job.tally
        tally.landed += 1
        took = now - job.intended
        if job.intended == job.fired:
            notes = tally.prompt
        else:
            tally.services.append(now - job.fired)
            notes = tally.responses
        notes.append(took)
        if len(notes) >= NOTED:
            tally.settle()
        good = scenario.accepts(status)
        if not good or scenario.max_s is not None or self.backoff.troubled:
            self._judge(job, scenario, status, retry_after, now, good)
        tally.open -= 1
        self.in_flight -= 1
        if job.user is not None:
            job.user.ended(good, now)

    def turned(
        self, tallies: Sequence[Tally], landed: Sequence[int], sent: Sequence[int], took: Sequence[float]
    ) -> None:
        """Good responses arrived at users who sent their next request in the same moment.

        Of each the number of the scenario that landed, of the one that was sent, and the seconds that the first took.
        """
        kinds = set(landed)
        for scenario in kinds:
            tally = tallies[scenario]
            mine = took if len(kinds) == 1 else [one for one, of in zip(took, landed, strict=True) if of == scenario]
            tally.landed += len(mine)
            tally.open -= len(mine)
            tally.prompt += mine
            if len(tally.prompt) >= NOTED:
                tally.settle()
        for scenario in set(sent):
            tally = tallies[scenario]
            count = sent.count(scenario)
            tally.due += count
            tally.sent += count
            tally.open += count

    def answered(
        self,
        job: Job,
        scenario: ScenarioPlan,
        status: int,
        retry_after: float | None,
        *,
        good: bool,
        moment: float = 0.0,
    ) -> None:
        """A response arrived (of a stream: its head), `good` or not as expected. The request may go on."""
        now = (moment or monotonic()) - self.zero
        job.tally.landed += 1
        job.answered = True
        job.tally.took(now - job.intended, now - job.fired)
        self._judge(job, scenario, status, retry_after, now, good)

    def _judge(
        self, job: Job, scenario: ScenarioPlan, status: int, retry_after: float | None, now: float, good: bool
    ) -> None:
        if not good:
            job.tally.error(f"status_{status}")
        elif scenario.max_s is not None and now - job.intended > scenario.max_s:
            job.tally.error("slow")
        if not good and status in PUSH_BACK:
            self.backoff.failed(now, f"status {status}", retry_after=retry_after)
        elif self.backoff.troubled:
            self.backoff.succeeded(now)

    def failed(self, job: Job, kind: str) -> None:
        """No (whole) response will come. A timeout counts in the latencies with the time it was waited for."""
        now = self.now()
        tally = job.tally
        tally.error(kind)
        if kind == "timeout" and not job.answered:
            tally.took(now - job.intended, now - job.fired)
        if kind == NO_SOCKET:  # says nothing about the target
            self.backoff.gave_up()
        else:
            self.backoff.failed(now, kind, hard=kind == "refused")
        if kind in ("refused", "connection"):
            self._unreachable()
        self.end(job, False)

    def disappointed(self, job: Job, kind: str, *, answered: bool) -> None:
        """A scenario's own code was not content, whether or not the target answered: no reason to leave it in peace."""
        job.tally.error(kind)
        if answered:
            now = self.now()
            job.tally.landed += 1
            job.tally.took(now - job.intended, now - job.fired)
            self.backoff.succeeded(now)
        else:
            self.backoff.gave_up()
        self.end(job, False)

    def faulted(self, job: Job, kind: str, *, answered: bool) -> None:
        """A request was broken on purpose, as planned; `answered`: the target had begun to answer it."""
        job.tally.fault(kind)
        if answered:
            self.backoff.succeeded(self.now())
        else:
            self.backoff.gave_up()
        self.end(job, True)

    def cut(self, job: Job) -> None:
        """We ended a request because the load ended: not the target's doing, and so no error."""
        job.tally.fault("cut_off")
        self.backoff.gave_up()
        self.end(job, False)

    def end(self, job: Job, good: bool, now: float | None = None) -> None:
        """The request is over; `now` when the caller has looked at the clock already."""
        job.tally.open -= 1
        self.in_flight -= 1
        if job.user is not None:
            job.user.ended(good, self.now() if now is None else now)
