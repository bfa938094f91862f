"""[[probe]]: a series of the user's own, from a field of a JSON answer or a Redis key; what states mean over time."""

from __future__ import annotations

import http.client
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import pairwise

from soak.background import in_background
from soak.checks.hours import Hours
from soak.checks.outcome import CheckFailed
from soak.checks.resp import Redis
from soak.checks.web import get
from soak.config import Probe
from soak.load.validate import JsonPath
from soak_storage.records import EventRow, Record, SampleRow

LOG = logging.getLogger(__name__)
TIMEOUT = 2.0  # seconds for one poll
LOOK_EVERY = 0.05  # seconds between two looks at an answer that is awaited
SHORTEST = 0.5  # seconds between two polls: a breaker changes state in seconds, and each poll is a connection
NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Period:
    """A state from `begin` to `end`, seconds of run time."""

    begin: float
    end: float
    state: str

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return self.end - self.begin


@dataclass(frozen=True, slots=True)
class StateFigures:
    """What a row of states comes to; times in seconds, None where there was nothing to average."""

    transitions: int
    time_in_state: Mapping[str, float]
    failures: int
    failure_rate: float | None
    """Failures per hour of time in the normal state."""
    mtbf: float | None
    """Mean time between failures: time in the normal state per failure."""
    mttr: float | None
    """Mean time to repair: time from leaving the normal state to being back, over the repairs that were seen."""


def figures(periods: Sequence[Period], normal: str | None = None) -> StateFigures:
    """Time in each state, MTBF and MTTR; `normal` is the state that is not a failure, by default the first one.

    A failure is a change from the normal state to any other. An outage that is still going on at the end counts as a
    failure but not as a repair: its length is not known yet.
    """
    normal = periods[0].state if normal is None and periods else normal
    spent: dict[str, float] = {}
    for period in periods:
        spent[period.state] = spent.get(period.state, 0.0) + period.seconds
    pairs = list(pairwise(periods))
    left = [after.begin for before, after in pairs if before.state == normal != after.state]
    back = [after.begin for before, after in pairs if before.state != normal == after.state]
    if back and (not left or back[0] < left[0]):  # it began in another state: when that failed was not seen
        back = back[1:]
    outages = [end - begin for begin, end in zip(left, back, strict=False)]
    up = spent.get(normal or "", 0.0)
    return StateFigures(
        transitions=sum(before.state != after.state for before, after in pairs),
        time_in_state=spent,
        failures=len(left),
        failure_rate=len(left) / up * 3600.0 if up else None,
        mtbf=up / len(left) if left else None,
        mttr=sum(outages) / len(outages) if outages else None,
    )


def read_probe(probe: Probe) -> object:
    """The value now; CheckFailed, OSError, ValueError or HTTPException when it could not be had."""
    assert probe.url is not None
    if probe.redis_key is not None:
        with Redis(probe.url, TIMEOUT) as redis:
            return redis.call("GET", probe.redis_key)
    status, body = get(probe.url, TIMEOUT)
    if status >= 400:
        raise CheckFailed(f"it answered {status}")
    return JsonPath(probe.field or "$").of(json.loads(body))


@dataclass(slots=True)
class _Polled:
    probe: Probe
    next: float = 0.0
    answer: Future[object] | None = None
    state: str | None = None
    since: float = 0.0
    silent: bool = False  # the last poll failed, and that was said


class StateProbes:
    """Polls every [[probe]] beside a soak: `initialize`, then `loop` whenever `due`, `finish` and `shutdown`.

    A number becomes a sample of the series with the probe's name, a gap where it could not be had. A state becomes an
    event of kind `state` that lasts as long as it does: detail `probe`, `state`. In the silence at the end of each
    quiet phase nothing is polled.
    """

    def __init__(
        self,
        probes: Sequence[Probe],
        hours: Hours,
        interval: float,
        *,
        read: Callable[[Probe], object] = read_probe,
    ) -> None:
        """Poll every `interval` seconds, and not more often than twice a second."""
        self._hours = hours
        self._interval = max(interval, SHORTEST)
        self._read = read
        self._polled = [_Polled(probe) for probe in probes]
        self._looked = 0.0

    def initialize(self) -> None:
        """Nothing to start: each poll gets a thread."""

    @property
    def due(self) -> float:
        """When `loop` wants to be called, in seconds of run time."""
        moments = (
            self._looked + LOOK_EVERY if polled.answer else self._hours.next_open(max(polled.next, self._looked))
            for polled in self._polled
        )
        return min(moments, default=NEVER)

    def loop(self, now: float) -> Iterator[Record]:
        """Take the answers that have come, poll what is due; never waits."""
        self._looked = now
        for polled in self._polled:
            if polled.answer is not None and polled.answer.done():
                answer, polled.answer = polled.answer, None
                yield from self._take(polled, answer, max(0.0, now))
            if polled.answer is None and now >= polled.next and self._hours.open(now):
                polled.next = now + self._interval
                polled.answer = in_background(self._read, polled.probe)

    def finish(self, now: float) -> Iterator[Record]:
        """The end of every state that still lasts."""
        for polled in self._polled:
            if polled.state is not None:
                yield _period(polled, max(now, polled.since))

    def shutdown(self) -> None:
        """Stop polling; nobody is waited for."""
        self._polled.clear()

    def _take(self, polled: _Polled, answer: Future[object], t: float) -> Iterator[Record]:
        try:
            value = answer.result()
        except (OSError, ValueError, CheckFailed, http.client.HTTPException) as error:
            value = None
            if not polled.silent:
                LOG.warning("probe %s gives no value: %s", polled.probe.name, error)
        polled.silent = value is None
        if polled.probe.kind == "number":
            yield SampleRow(t, polled.probe.name, "count", _number(value))
        elif value is not None and str(value) != polled.state:
            if polled.state is not None:
                yield _period(polled, t)
            polled.state, polled.since = str(value), t
            yield _period(polled, None)


def _number(value: object) -> float | None:
    try:
        return float(value) if isinstance(value, int | float | str) else None
    except ValueError:
        return None


def _period(polled: _Polled, until: float | None) -> EventRow:
    name = polled.probe.name
    return EventRow(
        "state", polled.since, until, {"probe": name, "state": polled.state}, key=f"{name}@{polled.since:.3f}"
    )


def periods_of(events: Iterable[EventRow], probe: str, end: float) -> list[Period]:
    """The periods of one probe from the events of a run that lasted until `end`."""
    return [
        Period(event.t0, end if event.t1 is None else event.t1, str(event.detail["state"]))
        for event in events
        if event.kind == "state" and event.detail.get("probe") == probe
    ]
