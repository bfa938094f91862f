"""The turn of the cycles: each is closed in the books and analysed while the next one runs."""

from __future__ import annotations

from soak.analyst import Analyst
from soak.errors import SoakError
from soak.launch.readiness import Endpoint
from soak.parts.base import Run
from soak.parts.load import LoadPart
from soak.selfcost import SelfCost
from soak_storage.records import CycleRow, EventRow

STORE_PATIENCE = 30.0  # seconds until a cycle is analysed though not all of its samples are stored
LOOK_EVERY = 0.2  # seconds between two looks at what is under way


class CyclePart:
    """Closes cycles, has them analysed, and ends a soak that stops when it is decided."""

    def __init__(self, run: Run, load: LoadPart) -> None:
        self._run = run
        self._load = load
        self.analyst = Analyst(run.config.storage.url, run.id)
        self._cost = SelfCost()
        self._over = False
        self._wanted: tuple[int, int, float] | None = None  # cycles to analyse, once stored up to a mark, or at a time

    def initialize(self) -> None:
        """Measure soak's own cost from here on."""
        self._cost = SelfCost()

    def due(self, now: float) -> float:
        """The end of the cycle, or the next look at the samples on their way and the analysis under way."""
        end = (self._run.cycle + 1) * self._run.cycle_seconds
        return min(end, now + LOOK_EVERY) if self.analyst.busy or self._wanted else end

    def loop(self, now: float) -> None:
        """Take in an analysis that has ended; turn to the next cycle when it is time."""
        self._take_analysis()
        self._analyse(now)
        cycle = int(now // self._run.cycle_seconds)
        if now >= 0 and cycle > self._run.cycle:
            self._close(complete=True)
            self._require_answers()
            self._run.cycle = cycle
            self._over = cycle >= self._run.config.load.cycles
            if not self._over:
                self._wanted = cycle, self._run.recorder.mark(), now + STORE_PATIENCE

    def shutdown(self) -> None:
        """Close the cycle that was cut short, and say what soak itself has cost.

        Before the target ends: from then on its processor time would count as that of our children.
        """
        now = self._run.now
        if now > 0:
            self._run.put([EventRow("observer", 0.0, now, self._cost.detail(now), key="soak")])
            if not self._over:
                self._close(complete=now >= (self._run.cycle + 1) * self._run.cycle_seconds)
        self.abandon()

    def abandon(self) -> None:
        """End an analysis under way."""
        self.analyst.stop()

    def _require_answers(self) -> None:
        """SoakError when a whole cycle of load got no answer: the next would be no soak either."""
        run = self._run
        why = self._load.book.unanswered(run.cycle)
        if why is not None:
            self._over = True
            asked = Endpoint.of(self._load.plan.url)  # without the user and password that a URL may hold
            raise SoakError("target_silent", cycle=run.cycle + 1, host=asked.host, port=asked.port, why=why)

    def _analyse(self, now: float) -> None:
        """Begin the analysis when the samples of its cycle are stored: sampling never waits for the disk."""
        if self._wanted is None:
            return
        cycles, mark, latest = self._wanted
        if self._run.recorder.stored(mark) or now >= latest:
            self._wanted = None
            self.analyst.start(cycles, now, self._run.store.redactor.values)

    def _take_analysis(self) -> None:
        run = self._run
        try:
            analysis = self.analyst.poll()
        except SoakError as error:  # the next one may go well, and the samples are what a night was for
            run.listener.message(f"warning: {error.message}")
            return
        if analysis is None:
            return
        if analysis.unkept is not None:  # that of the next cycle may be, and the last is put down with patience
            run.listener.message(f"warning: the report so far is not in the store: {analysis.unkept}")
        run.verdict = analysis.verdict
        run.listener.message(f"after cycle {run.cycle}: {run.verdict} so far")
        if analysis.stop and run.config.load.stop == "decided":
            run.decided = True
            run.listener.message("decided: the remaining cycles are not needed (load.stop)")

    def _close(self, *, complete: bool) -> None:
        run = self._run
        begin = run.cycle * run.cycle_seconds
        end = begin + run.cycle_seconds if complete else max(begin, run.now)
        self._cost.look()
        self._load.turn(run.cycle + 1)
        run.put([CycleRow(run.cycle, begin, end, complete, run.segment)])
