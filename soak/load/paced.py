"""Arrivals of an open model: each is fired when it is due, those that closely follow each other in bursts."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from soak.load.burst import Burst
from soak.load.runners import HttpRunner

if TYPE_CHECKING:
    from soak.load.arrivals import Arrivals, Mix
    from soak.load.engine import Engine

AHEAD = 64  # arrivals worked out, and counted, together: while that is done, the next one may be due
NEAR_S = 0.0025  # when the next request is due so soon, the answers to those before it are read after it


class Paced:
    """Arrivals of an open model in the schedule."""

    def __init__(self, engine: Engine, arrivals: Arrivals, mix: Mix) -> None:
        self._engine = engine
        self._arrivals = arrivals
        self._mix = mix
        requests = [runner.request if isinstance(runner, HttpRunner) else None for runner in engine.runners]
        self._burst = Burst(engine, [one if one is not None and one.quick else None for one in requests], AHEAD, NEAR_S)
        self._times: list[float] = []  # of the next arrivals,
        self._scenarios: list[int] = []
        self._faults: list[str | None] = []
        self._next = 0  # of which this is the first one that has not been fired
        self._prepare()

    @property
    def time(self) -> float:
        """When the next one is due, in seconds since the run began."""
        return self._times[self._next]

    def due(self, when: float) -> float:
        """Fire the arrival that is due at `when`, and those that closely follow it; the time of the next one."""
        first = self._next
        until = self._engine.undisturbed(when)
        if until > when:
            self._next = self._burst.run(first, bisect_left(self._times, until, first))
        if self._next == first:
            self._next += 1
            self._engine.arrive(when, self._scenarios[first], self._faults[first])
        if self._next == AHEAD:
            self._prepare()
        return self.time

    def _prepare(self) -> None:
        """Look so many arrivals ahead: in warm caches that is a fraction of what each costs after waking up."""
        arrivals, mix = self._arrivals, self._mix
        ahead = []
        for _ in range(AHEAD):
            ahead.append((arrivals.time, *(mix.always or mix.pick(arrivals.k))))
            arrivals.advance()
        times, scenarios, faults = zip(*ahead, strict=True)
        self._times, self._scenarios, self._faults = list(times), list(scenarios), list(faults)
        self._burst.load(times, scenarios, faults)
        self._next = 0
