"""What load workers report: counts and histograms per scenario and cycle, never single requests."""

from __future__ import annotations

from dataclasses import dataclass, field

from soak.load.backoff import Outage
from soak.load.histogram import Histogram

LATE_P99_S = 0.010  # above this the generator, not the target, may have made the latencies
DROPPED_SHARE = 0.001  # more drops than this and the shape was not delivered
NOTED = 4000  # durations noted before they are counted: 128 KB
CHECK_FINDINGS = 50  # kinds of check results kept by name; a stream cannot make the table grow


@dataclass(slots=True)
class Tally:
    """Counts of one scenario in one cycle, since the last delta.

    A request belongs to the cycle in which it was due. It ends as exactly one of: landed (a response arrived, whatever
    its status), faulted (broken by us on purpose, or cut off at the end of the load), dropped or withheld (never sent),
    or failed; `errors` also names what was wrong with responses that landed (`status_500`, `slow`).
    """

    cycle: int
    scenario: str
    due: int = 0
    sent: int = 0
    landed: int = 0
    dropped: int = 0
    withheld: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    faulted: dict[str, int] = field(default_factory=dict)
    checks: dict[str, int] = field(default_factory=dict)
    lateness: Histogram = field(default_factory=Histogram)
    service: Histogram = field(default_factory=Histogram)
    response: Histogram = field(default_factory=Histogram)
    late: list[float] = field(default_factory=list)  # durations that `settle` counts in `lateness`,
    responses: list[float] = field(default_factory=list)  # in `response`,
    services: list[float] = field(default_factory=list)  # in `service`
    prompt: list[float] = field(default_factory=list)  # in both: the two were the same
    waits: list[float] = field(default_factory=list)  # and in `between_messages`
    first_message: Histogram = field(default_factory=Histogram)
    between_messages: Histogram = field(default_factory=Histogram)
    open: int = 0  # requests in flight: the tally lives until they ended

    def took(self, response: float, service: float) -> None:
        """Note both latencies of a request, in seconds."""
        if response == service:  # always so in the closed model
            self.prompt.append(response)
            if len(self.prompt) >= NOTED:
                self.settle()
        else:
            self.responses.append(response)
            self.services.append(service)
            if len(self.responses) >= NOTED:
                self.settle()

    def waited(self, seconds: float) -> None:
        """Note the time between two messages of a stream."""
        self.waits.append(seconds)
        if len(self.waits) >= NOTED:
            self.settle()

    def settle(self) -> None:
        """Count what was noted: thousands at once cost a fraction of what each by itself would."""
        prompt = Histogram()
        latencies = ((self.lateness, self.late), (self.response, self.responses), (self.service, self.services))
        for histogram, durations in (*latencies, (self.between_messages, self.waits), (prompt, self.prompt)):
            histogram.record_all(durations)
            durations.clear()
        self.response.merge(prompt)
        self.service.merge(prompt)

    def error(self, kind: str) -> None:
        """Count an error of this kind."""
        self.errors[kind] = self.errors.get(kind, 0) + 1

    def fault(self, kind: str) -> None:
        """Count a request that was broken on purpose, as planned."""
        self.faulted[kind] = self.faulted.get(kind, 0) + 1

    def check(self, name: str, count: int = 1) -> None:
        """Count a result of a stream's validators."""
        if count and (name in self.checks or len(self.checks) < CHECK_FINDINGS):
            self.checks[name] = self.checks.get(name, 0) + count

    @property
    def empty(self) -> bool:
        """Nothing happened since the last delta."""
        counts = self.due or self.sent or self.landed or self.dropped or self.withheld
        return not (counts or self.errors or self.faulted or self.checks)

    @property
    def limited(self) -> bool:
        """The generator itself was the limit: late by more than 10 ms (p99), or more than 0.1 % dropped."""
        late = self.lateness.quantile(0.99)
        return (late is not None and late > LATE_P99_S) or self.dropped > DROPPED_SHARE * max(self.due, 1)


@dataclass(slots=True)
class LoadDelta:
    """What happened to one scenario of one cycle between `t0` and `t1` (seconds since the run began).

    `outages` (start, end or None while it lasts, why), `gaps` (start, end, why: a worker was dead and its share of
    the load was not sent), `worker_cpu_s` and `worker_rss` belong to the worker, not the scenario: they are set in the
    first delta of a batch and empty or zero in the others, so that they may be summed over all.
    """

    t0: float
    t1: float
    cycle: int
    scenario: str
    due: int = 0
    sent: int = 0
    landed: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    dropped: int = 0
    withheld: int = 0
    faulted: dict[str, int] = field(default_factory=dict)
    lateness: Histogram = field(default_factory=Histogram)
    service: Histogram = field(default_factory=Histogram)
    response: Histogram = field(default_factory=Histogram)
    first_message: Histogram = field(default_factory=Histogram)
    between_messages: Histogram = field(default_factory=Histogram)
    limited: bool = False
    outages: list[tuple[float, float | None, str]] = field(default_factory=list)
    gaps: list[tuple[float, float, str]] = field(default_factory=list)
    worker: int = 0
    worker_cpu_s: float = 0.0
    worker_rss: int = 0
    in_flight: int = 0
    checks: dict[str, int] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        """Errors of all kinds, of answered and unanswered requests."""
        return sum(self.errors.values())

    @property
    def arrived(self) -> int:
        """Requests that did to the target what they were meant to: landed, or broken on purpose as planned."""
        return self.landed + sum(self.faulted.values())


class Tallies:
    """The tallies of one worker: of the cycle that runs and of older ones while requests of theirs are in flight."""

    def __init__(self, scenarios: tuple[str, ...], since: float = 0.0) -> None:
        self._scenarios = scenarios
        self._live: dict[tuple[int, int], Tally] = {}
        self._t0 = since

    def of(self, cycle: int, scenario: int) -> Tally:
        """The tally of scenario number `scenario` in `cycle`."""
        key = (cycle, scenario)
        tally = self._live.get(key)
        if tally is None:
            tally = self._live[key] = Tally(cycle, self._scenarios[scenario])
        return tally

    def drain(self, now: float, cycle: int, outages: list[Outage]) -> list[LoadDelta]:
        """The deltas since the last call; starts new counts and forgets what nothing can be added to any more."""
        deltas = [_delta(tally, self._t0, now) for tally in self._live.values() if not tally.empty]
        if outages:
            if not deltas:
                deltas.append(LoadDelta(self._t0, now, cycle, self._scenarios[0]))
            deltas[0].outages = [(outage.start, outage.end, outage.why) for outage in outages]
        for key, tally in list(self._live.items()):
            if tally.cycle < cycle and not tally.open:
                del self._live[key]
            elif not tally.empty:
                _reset(tally)
        self._t0 = now
        return deltas


def _delta(tally: Tally, t0: float, t1: float) -> LoadDelta:
    tally.settle()
    return LoadDelta(
        t0,
        t1,
        tally.cycle,
        tally.scenario,
        due=tally.due,
        sent=tally.sent,
        landed=tally.landed,
        errors=tally.errors,
        dropped=tally.dropped,
        withheld=tally.withheld,
        faulted=tally.faulted,
        lateness=tally.lateness,
        service=tally.service,
        response=tally.response,
        first_message=tally.first_message,
        between_messages=tally.between_messages,
        limited=tally.limited,
        in_flight=tally.open,
        checks=tally.checks,
    )


def _reset(tally: Tally) -> None:
    tally.due = tally.sent = tally.landed = tally.dropped = tally.withheld = 0
    tally.errors, tally.faulted, tally.checks = {}, {}, {}
    tally.lateness, tally.service, tally.response = Histogram(), Histogram(), Histogram()
    tally.first_message, tally.between_messages = Histogram(), Histogram()
