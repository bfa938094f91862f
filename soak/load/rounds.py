"""Many streams at once: all are opened together, and as many as expected have to be refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from soak.load.engine import Engine

PAUSE_S = 1.0  # between two rounds: the server may need a moment to give its places back


class Rounds:
    """Opens `streams` of one scenario at the start of each cycle, and again while the loaded part lasts.

    A round is over when its last stream is; with `duration` or `messages` that is before the quiet part, and another
    round follows. Refusals beyond `expect_refused` are errors by their status; missing ones are `not_refused`.
    """

    def __init__(self, engine: Engine, index: int) -> None:
        self._engine = engine
        self._index = index
        self._scenario = engine.plan.scenarios[index]
        self._outstanding = 0

    def begin_cycle(self, when: float) -> float:
        """The first round of a cycle; when the next cycle begins."""
        plan = self._engine.plan
        if not self._outstanding:
            self._open(when)
        return (when // plan.cycle + 1) * plan.cycle

    def _again(self, when: float) -> None:
        self._open(when)

    def _open(self, when: float) -> None:
        streams = self._scenario.streams or 0
        self._engine.group(self._index).expect_refusals(self._scenario.expect_refused)
        self._outstanding = streams
        for _ in range(streams):
            if not self._engine.arrive(when, self._index, None, self):
                self._outstanding -= 1

    def ended(self, good: bool, now: float) -> None:
        """A stream is over."""
        self._outstanding -= 1
        if self._outstanding:
            return
        engine = self._engine
        cycle = int(now // engine.plan.cycle)
        missing = engine.group(self._index).refusals_left
        for _ in range(missing):
            engine.tallies.of(min(cycle, engine.plan.cycles - 1), self._index).error("not_refused")
        loaded_until = (cycle + 1) * engine.plan.cycle - engine.plan.quiet
        if now + PAUSE_S < loaded_until:
            engine.at(now + PAUSE_S, self._again)
