"""Sampling from outside at fixed moments, and from inside once per cycle, in the trough."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from soak.agentfolder import agent_answers, agent_folder_of
from soak.errors import SoakError
from soak.guests import Guests
from soak.load import LoadPlan
from soak.nodeguest import ask_to_collect
from soak.parts.base import Run
from soak.parts.confirm import Confirmation, window_for
from soak.parts.target import TargetPart
from soak.planning import sampling_interval
from soak.sampler import Sampler
from soak.troughs import SAMPLER_RESTARTED, Moment, TroughReader
from soak_storage.records import EventRow, Record, SegmentRow

READ_AT = 0.6  # of the quiet phase: connections have closed, buffers are free, and the answer comes before the end
LEAST_GROWTH = 0.5  # of the limit: below it nothing will be named, and so nothing has to be confirmed
AGENT_PATIENCE = 10.0  # seconds of run time until an agent that has to be there is missed
SAMPLER_LOST = "another tool took the heap sampler's hooks off; it began again and knows nothing of before"
RECYCLING = "workers of the target are replaced: what leaks in one ends with it, so growth is partly hidden"


class SamplePart:
    """Samples the target's processes, and asks the agents in them for a reading in each trough."""

    def __init__(self, run: Run, target: TargetPart) -> None:
        self._run = run
        self._target = target
        self._read_cycle = -1
        self._segment = 0
        self._recycled = 0
        self._asks = run.config.agent.enabled != "off"
        self._collects = self._asks and run.config.agent.collect and bool(run.config.target.command)
        self._guests: Guests | None = None  # of a target that runs already and has no agent of its own
        self.sampler: Sampler
        self._troughs: TroughReader

    def initialize(self) -> None:
        """Look at the processes that the target consists of from now on."""
        config, target = self._run.config, self._target
        self.sampler = Sampler(target.tree(), config.sample.interval, target.target.group)
        self._troughs = TroughReader(self._agent_folder(), config.agent)
        self._let_in()

    def _agent_folder(self) -> Path:
        """Where the agents listen: of an attached target its own, if it has one, else one is let in for this run."""
        run, target = self._run, self._target
        if target.target.owned or not self._asks:
            return target.agent_dir
        pid = target.target.roots[0][0]
        theirs = agent_folder_of(pid)
        if agent_answers(theirs, pid):
            return theirs
        self._guests = Guests(target.agent_dir, run.config.agent, sampling_interval(run.config), run.listener.message)
        return target.agent_dir

    def _let_in(self) -> None:
        """Put the agent into the processes that are there now; those that they fork have it from them."""
        if self._guests is not None:
            self._run.put(self._guests.enter(self.sampler.processes, max(0.0, self._run.now)))

    def due(self, now: float) -> float:
        """The next sample or the next reading."""
        return min(self.sampler.due, self._read_moment())

    def loop(self, now: float) -> None:
        """Take the sample and the reading that are due, hand on what the agents have answered.

        A sample that reads everything goes before each reading, which would otherwise be seen in it.
        """
        if self._run.segment != self._segment:
            self._segment = self._run.segment
            self.sampler.rebase(self._target.target.roots, self._target.target.reaper_pid)
            self._let_in()
        reading = now >= self._read_moment()
        if reading or (now >= self.sampler.due and self.sampler.due < self._run.end):
            self._sample(now, deep=reading)
        if reading:
            self._read_cycle = self._run.cycle
            if self._collects:
                ask_to_collect(self._target.agent_dir)
            moment = Moment(now, self._run.cycle, self._run.segment, self.sampler.outside)
            self._run.put(self._troughs.start(moment, self.sampler.processes))
        self._run.put(self._split(self._troughs.poll()))
        self._require_agent(now)

    def shutdown(self) -> None:
        """Wait for a reading under way, and ask who holds what has grown."""
        self._run.put(self._split(self._troughs.finish(self._run.now, self.sampler.processes)))
        self._confirm()
        if self._guests is not None:
            self._run.put(self._guests.leave(self._run.now))
        self._run.put(self.sampler.last_seen())
        self.abandon()

    def _confirm(self) -> None:
        """Look at suspect places again, after a run that went to its end, in a target that soak started."""
        run, config = self._run, self._run.config
        over = run.failure is None and not run.stopping() and (run.now >= run.end or run.decided)
        if not (over and config.agent.confirm and self._target.target.owned and run.python) or self._asked_only():
            return
        per_hour = config.limits.growth.per_hour(config.load.cycle, None) or 0.0
        grown = self._troughs.suspects.processes(LEAST_GROWTH * per_hour * run.now / 3600.0)
        processes = [process for process in self.sampler.processes if process.pid in grown]
        if processes:
            window = window_for(config.load.cycle, self.sampler.busiest, run.python)
            plan = LoadPlan.from_config(config)
            run.put(Confirmation(run, plan, self._troughs.client, window).records(processes))

    def _asked_only(self) -> bool:
        """Whether the load is none that a short window could stand for."""
        return self._run.config.load.profile in ("none", "capacity")

    def abandon(self) -> None:
        """Let go of sockets and files."""
        self._troughs.close()
        self.sampler.close()

    def _split(self, rows: Iterable[Record]) -> Iterator[Record]:
        """The rows, and a new segment where the heap sampler has lost what it knew: nothing is compared across that."""
        for row in rows:
            yield row
            if isinstance(row, EventRow) and row.kind == SAMPLER_RESTARTED:
                if self._segment == self._run.segment:  # else the target came back meanwhile, and is still to be met
                    self._segment += 1
                self._run.segment += 1
                yield SegmentRow(self._run.segment, row.t0, SAMPLER_LOST)

    def _sample(self, now: float, *, deep: bool) -> None:
        run = self._run
        if self._asks:
            self.sampler.exclude(self._troughs.meet(self.sampler.processes, run.cycle))
            run.python = run.python or next((str(hello["python"]) for hello in self._troughs.hellos), None)
        run.put(self.sampler.sample(now, run.segment, deep=deep))
        for worker in self.sampler.take_recycled():
            if not self._recycled:
                run.listener.message(f"note: {RECYCLING}")
            self._recycled += 1
            detail = {"old_pid": worker.old_pid, "new_pid": worker.new_pid, "lived_s": worker.lived, "note": RECYCLING}
            run.put([EventRow("recycled", now, detail=detail)])

    def _require_agent(self, now: float) -> None:
        """SoakError when `agent.enabled = "on"` and none has answered though there was time enough."""
        late = now >= AGENT_PATIENCE or self._read_cycle >= 0
        if late and self._run.config.agent.enabled == "on" and self._run.python is None:
            raise SoakError("agent_not_met", name=self._run.config.target.name)

    def _read_moment(self) -> float:
        cycle = max(self._read_cycle + 1, self._run.cycle)
        return (cycle + 1) * self._run.cycle_seconds - (1.0 - READ_AT) * self._run.config.load.quiet
