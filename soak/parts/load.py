"""The load of a run: its generator and its books."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from soak.load import LoadGenerator, LoadPlan
from soak.load.capacity import CapacityWatch
from soak.loadbook import LoadBook
from soak.parts.base import NEVER, Run
from soak.places import private_file
from soak_probes import start_time_of
from soak_storage.records import EventRow, OwnedRow

if TYPE_CHECKING:
    from soak.parts.samples import SamplePart

LEAD = 1.0  # seconds between the order to the load and its first request: a spawned worker has to be ready by then


class LoadPart:
    """Runs the generator in its own process; run time begins with its first request."""

    def __init__(self, run: Run, plan: LoadPlan, samples: SamplePart) -> None:
        load = run.config.load
        self._run = run
        self._samples = samples
        self._told: dict[str, Any] | None = None  # of the breaking point
        self.plan = plan
        self.shape = self.plan.shape()
        self.book = LoadBook(load.cycle, load.quiet, run.config.sample.interval)
        self.generator: LoadGenerator | None = None

    def initialize(self) -> None:
        """Set the beginning of run time and start the workers; a run that goes on keeps to its own time."""
        run = self._run
        since = max(0.0, run.now + LEAD) if run.resumed else 0.0
        if not run.resumed:
            run.zero = run.clock.monotonic() + LEAD
        if run.config.load.profile == "none":
            return
        self.generator = LoadGenerator(self.plan, log_path=private_file(run.folder / "load.log"))
        self.generator.start(run.zero, since)
        run.put(OwnedRow(pid, start_time_of(pid) or 0, "load worker") for pid in self.generator.pids)

    def due(self, now: float) -> float:
        """Its descriptor says when there is something: the session waits for that."""
        return NEVER

    def loop(self, now: float) -> None:
        """Take in what the workers have reported; a search for the capacity ends the run when it has ended."""
        if self.generator is None:
            return
        if self.generator.capacity is not None:
            self.generator.memory(self._memory())
        self._run.put(self.book.add(self.generator.poll()))
        if self.generator.capacity is not None:
            self._tell(self.generator.capacity)
            self._run.decided = self._run.decided or not self.generator.running

    def _memory(self) -> float:
        """The share of the memory that the target may use which it does use: of its limit, or else of the machine's."""
        ceilings, rss = self._run.ceilings, self._samples.sampler.rss
        allowed = min(ceilings.get("memory", math.inf), ceilings.get("machine", math.inf))
        return rss / allowed if rss is not None else 0.0

    def _tell(self, capacity: CapacityWatch) -> None:
        """Store the breaking point as soon as it is known, and again when more is."""
        found = capacity.to_json() or {"reason": None, "sentence": capacity.sentence()}
        if found != self._told:
            self._told = found
            self._run.put([EventRow("capacity", found.get("t", 0.0), detail=found, key="breaking_point")])

    def turn(self, cycle: int) -> None:
        """The cycle before `cycle` has ended: write its sums."""
        self._run.put(self.book.close(cycle))

    def shutdown(self) -> None:
        """Stop the workers and write what is left in the books."""
        if self.generator is None:
            return
        self.generator.stop(self._run.config.load.timeout + 1.0)
        self.loop(self._run.now)
        self._run.put(self.book.windows())
        self._run.put(self.book.close())
        self.generator.close()

    def abandon(self) -> None:
        """Kill the workers."""
        if self.generator is not None:
            self.generator.close()
