"""The load of a run: its generator and its books."""

from __future__ import annotations

from soak.load import LoadGenerator, LoadPlan
from soak.loadbook import LoadBook
from soak.parts.base import NEVER, Run
from soak.places import private_file
from soak_probes import start_time_of
from soak_storage.records import OwnedRow

LEAD = 1.0  # seconds between the order to the load and its first request: a spawned worker has to be ready by then


class LoadPart:
    """Runs the generator in its own process; run time begins with its first request."""

    def __init__(self, run: Run, plan: LoadPlan) -> None:
        load = run.config.load
        self._run = run
        self.plan = plan
        self.shape = self.plan.shape()
        self.book = LoadBook(load.cycle, load.quiet, run.config.sample.interval)
        self.generator: LoadGenerator | None = None

    def initialize(self) -> None:
        """Set the beginning of run time and start the workers."""
        run = self._run
        run.zero = run.clock.monotonic() + LEAD
        if run.config.load.profile == "none":
            return
        self.generator = LoadGenerator(self.plan, log_path=private_file(run.folder / "load.log"))
        self.generator.start(run.zero)
        run.put(OwnedRow(pid, start_time_of(pid) or 0, "load worker") for pid in self.generator.pids)

    def due(self, now: float) -> float:
        """Its descriptor says when there is something: the session waits for that."""
        return NEVER

    def loop(self, now: float) -> None:
        """Take in what the workers have reported."""
        if self.generator is not None:
            self._run.put(self.book.add(self.generator.poll()))

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
