"""The turn of the cycles: each is closed in the books and analysed while the next one runs."""

from __future__ import annotations

from soak.analyst import Analyst
from soak.errors import SoakError
from soak.parts.base import Run
from soak.parts.load import LoadPart
from soak.selfcost import SelfCost
from soak_storage.records import AnalysisRow, CycleRow, EventRow

FLUSH_PATIENCE = 5.0  # seconds that the turn of a cycle waits for its samples to be stored before they are analysed
LOOK_EVERY = 0.2  # seconds between two looks at an analysis under way


class CyclePart:
    """Closes cycles, has them analysed, and ends a soak that stops when it is decided."""

    def __init__(self, run: Run, load: LoadPart) -> None:
        self._run = run
        self._load = load
        self.analyst = Analyst(run.config.storage.url, run.id)
        self._cost = SelfCost()
        self._over = False

    def initialize(self) -> None:
        """Measure soak's own cost from here on."""
        self._cost = SelfCost()

    def due(self, now: float) -> float:
        """The end of the cycle, or the next look at the analysis."""
        end = (self._run.cycle + 1) * self._run.cycle_seconds
        return min(end, now + LOOK_EVERY) if self.analyst.busy else end

    def loop(self, now: float) -> None:
        """Take in an analysis that has ended; turn to the next cycle when it is time."""
        self._take_analysis(now)
        cycle = int(now // self._run.cycle_seconds)
        if now >= 0 and cycle > self._run.cycle:
            self._close(complete=True)
            self._run.cycle = cycle
            self._over = cycle >= self._run.config.load.cycles
            if not self._over:
                self._run.recorder.flush(timeout=FLUSH_PATIENCE)
                self.analyst.start(cycle)

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

    def _take_analysis(self, now: float) -> None:
        run = self._run
        try:
            analysis = self.analyst.poll()
        except SoakError as error:  # the next one may go well, and the samples are what a night was for
            run.listener.message(f"warning: {error.message}")
            return
        if analysis is None:
            return
        run.put([AnalysisRow(now, analysis.report, run.cycle - 1)])
        run.verdict = analysis.report["verdict"]
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
