"""Sampling from outside at fixed moments, and from inside once per cycle, in the trough."""

from __future__ import annotations

from pathlib import Path

from soak.parts.base import Run
from soak.parts.target import TargetPart
from soak.sampler import Sampler
from soak.troughs import Moment, TroughReader

READ_AT = 0.6  # of the quiet phase: connections have closed, buffers are free, and the answer comes before the end


class SamplePart:
    """Samples the target's processes, and asks the agents in them for a reading in each trough."""

    def __init__(self, run: Run, target: TargetPart, agent_dir: Path) -> None:
        self._run = run
        self._target = target
        self._troughs = TroughReader(agent_dir, run.config.agent)
        self._read_cycle = -1
        self.sampler: Sampler

    def initialize(self) -> None:
        """Look at the processes that the target consists of from now on."""
        self.sampler = Sampler(self._target.tree(), self._run.config.sample.interval, self._target.target.group)

    def due(self, now: float) -> float:
        """The next sample or the next reading."""
        return min(self.sampler.due, self._read_moment())

    def loop(self, now: float) -> None:
        """Take the sample and the reading that are due, hand on what the agents have answered."""
        if now >= self.sampler.due and self.sampler.due < self._run.end:
            self.sampler.exclude(self._troughs.meet(self.sampler.processes))
            self._run.put(self.sampler.sample(now, self._run.segment, deep=now >= self._read_moment()))
        if now >= self._read_moment():
            self._read_cycle = self._run.cycle
            self._troughs.start(Moment(now, self._run.cycle, self._run.segment), self.sampler.processes)
        self._run.put(self._troughs.poll())

    def shutdown(self) -> None:
        """Wait for a reading under way; remember which Python answered."""
        self._run.put(self._troughs.finish())
        self._run.python = next((str(hello["python"]) for hello in self._troughs.hellos), None)
        self.abandon()

    def abandon(self) -> None:
        """Let go of sockets and files."""
        self._troughs.close()
        self.sampler.close()

    def _read_moment(self) -> float:
        cycle = max(self._read_cycle + 1, self._run.cycle)
        return (cycle + 1) * self._run.cycle_seconds - (1.0 - READ_AT) * self._run.config.load.quiet
