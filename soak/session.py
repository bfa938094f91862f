"""One soak, from the start of the target to the report: `startup -> loop -> shutdown`."""

from __future__ import annotations

import os
import select
import shutil
import socket
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import soak_agent
from soak import __version__, planning
from soak.analyst import Analyst
from soak.clock import Clock, SystemClock
from soak.config import Config
from soak.errors import EXIT_INTERRUPTED, SoakError
from soak.launch.ending import Exit
from soak.leftovers import clear_leftovers
from soak.load import LoadGenerator, LoadPlan
from soak.loadbook import LoadBook
from soak.places import run_folder
from soak.planning import sampling_interval
from soak.progress import ProgressListener, Silent, Status
from soak.recorder import Recorder
from soak.sampler import Sampler
from soak.selfcost import SelfCost
from soak.signals import StopSignals
from soak.target import Target, make_target
from soak.troughs import Moment, TroughReader
from soak.version import target_version
from soak_probes import ProcessTree, start_time_of
from soak_storage import Store, open_store
from soak_storage.records import AnalysisRow, CycleRow, EventRow, OwnedRow, Record, RunStart, SegmentRow

LEAD = 1.0  # seconds between the order to the load and its first request: a spawned worker has to be ready by then
READ_AT = 0.6  # of the quiet phase: connections have closed, buffers are free, and the answer comes before the end
LONGEST_WAIT = 0.5  # seconds between two looks at signals and at the target
STATUS_EVERY = 1.0  # seconds
ABANDON_PATIENCE = 2.0  # seconds for the store when somebody has asked twice


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How a run ended: its number in the store, its report (contract), the exit code, and what cut it short."""

    run_id: int
    report: dict[str, Any]
    exit_code: int
    failure: SoakError | None = None


@dataclass(slots=True)
class _Progress:
    """Where the run stands."""

    cycle: int = 0
    segment: int = 0
    read_cycle: int = -1
    verdict: str | None = None
    next_status: float = 0.0
    stopped_early: bool = False
    failure: SoakError | None = None
    exit: Exit | None = None
    pids: list[int] = field(default_factory=list)


def run_soak(
    config: Config,
    *,
    progress: ProgressListener | None = None,
    run_dir: Path | None = None,
    clock: Clock | None = None,
) -> RunOutcome:
    """Soak the target of `config` once, in the foreground, and judge it.

    What was sampled is stored, judged and reported however the run ends. Raises SoakError when nothing could be
    started that would be worth a report.
    """
    with open_store(config.storage.url) as store:
        session = Session(config, store, progress or Silent(), clock or SystemClock(), run_dir)
        with StopSignals() as signals:
            return session.run(signals)


class Session:
    """The parts of one run and the loop that keeps them to their times."""

    def __init__(
        self,
        config: Config,
        store: Store,
        progress: ProgressListener,
        clock: Clock,
        run_dir: Path | None = None,
    ) -> None:
        self._config = config
        self._store = store
        self._store_url = config.storage.url
        self._listener = progress
        self._clock = clock
        self._run_dir = run_dir
        self._state = _Progress()
        self._cycle_seconds = config.load.cycle
        self._end = config.load.cycle * config.load.cycles

    # ------------------------------------------------------------------------------------------------- one screen

    def run(self, signals: StopSignals) -> RunOutcome:
        """Everything, in order; each part that was started is ended, whatever happens in between."""
        self._startup()
        try:
            self._carry_out(signals)
            self._shutdown()
            return self._conclude(interrupted=signals.received)
        except BaseException:  # the second signal, or a fault of ours: nothing of the run may stay behind
            self._abandon()
            raise

    def _carry_out(self, signals: StopSignals) -> None:
        try:
            self._start_target()
            self._start_load()
            self._loop(signals)
        except SoakError as error:
            self._state.failure = error

    def _startup(self) -> None:
        clear_leftovers(self._store)
        self._run_id = self._store.begin_run(self._run_start())
        self._recorder = Recorder(self._store, self._run_id)
        self._folder = self._run_dir or run_folder(self._store_url, self._run_id)
        self._agent_dir = Path(tempfile.mkdtemp(prefix="soak-"))
        self._troughs = TroughReader(self._agent_dir, self._config.agent)
        self._analyst = Analyst(self._store_url, self._run_id)
        self._book = LoadBook(self._cycle_seconds, self._config.load.quiet, self._config.sample.interval)
        self._target: Target | None = None
        self._sampler: Sampler | None = None
        self._load: LoadGenerator | None = None
        self._zero = self._clock.monotonic()
        self._cost = SelfCost()

    def _shutdown(self) -> None:
        if self.now > 0:  # before the target ends: from then on its processor time counts as that of our children
            self._put([EventRow("observer", 0.0, self.now, self._cost.detail(self.now), key="soak")])
        for end in (self._end_load, self._end_readings, self._end_sampling, self._end_target):
            try:
                end()
            except SoakError as error:
                self._state.failure = self._state.failure or error
        self._analyst.stop()
        self._recorder.close(timeout=60.0)
        shutil.rmtree(self._agent_dir, ignore_errors=True)

    def _abandon(self) -> None:
        """Now: nobody is waited for, what is in the queue is stored, the run is closed as interrupted."""
        if self._load is not None:
            self._load.close()
        if self._target is not None:
            self._target.abandon()
        self._analyst.stop()
        self._recorder.close(timeout=ABANDON_PATIENCE)
        error = {"code": "abandoned", "message": "ended at once, without an analysis"}
        self._store.end_run(self._run_id, "interrupted", self._clock.wall(), error=error)
        shutil.rmtree(self._agent_dir, ignore_errors=True)

    # ------------------------------------------------------------------------------------------------------ start

    def _start_target(self) -> None:
        for warning in planning.warnings(self._config):
            self._listener.message(f"warning: {warning}")
        self._listener.message(f"run {self._run_id}: starting {self._config.target.name}")
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        target = make_target(self._config.target)
        self._target = target
        target.start(self._folder, self._agent_environment())
        self._put(OwnedRow(pid, start, "target") for pid, start in target.roots if target.owned)
        target.wait_ready()
        self._follow(target)
        self._put([SegmentRow(0, 0.0, "start")])

    def _follow(self, target: Target) -> None:
        """Look at the processes that the target consists of from now on."""
        tree = ProcessTree(target.roots, reaper_pid=target.reaper_pid, follow=self._config.target.children)
        self._sampler = Sampler(tree, self._config.sample.interval)
        tree.refresh()
        self._state.pids = [pid for pid, _ in target.roots]

    def _agent_environment(self) -> Mapping[str, str]:
        agent = self._config.agent
        if agent.enabled == "off":
            return {}
        return soak_agent.environment(
            self._agent_dir,
            base_env={**os.environ, **self._config.target.env},
            heap=agent.heap,
            frames=agent.frames,
            handles=agent.handles,
            interval=sampling_interval(self._config),
        )

    def _start_load(self) -> None:
        plan = LoadPlan.from_config(self._config)
        self._shape = plan.shape()
        self._zero = self._clock.monotonic() + LEAD
        if self._config.load.profile != "none":
            self._load = LoadGenerator(plan, log_path=self._folder / "load.log")
            self._load.start(self._zero)
            self._put(OwnedRow(pid, start_time_of(pid) or 0, "load worker") for pid in self._load.pids)

    # ------------------------------------------------------------------------------------------------------- loop

    def _loop(self, signals: StopSignals) -> None:
        while not signals.received and self.now < self._end and not self._state.stopped_early:
            self._wait_for_something()
            self._take_load()
            self._take_sample()
            self._take_reading()
            self._take_analysis()
            self._turn_cycle()
            self._watch_target()
            self._tell()

    @property
    def now(self) -> float:
        """Seconds of run time: negative until the load begins."""
        return self._clock.monotonic() - self._zero

    def _wait_for_something(self) -> None:
        """Until the next moment that is due, or the load has something to say."""
        assert self._sampler is not None
        moments = [self._sampler.due, self._read_moment(), (self._state.cycle + 1) * self._cycle_seconds, self._end]
        wait = min(LONGEST_WAIT, *(max(0.0, moment - self.now) for moment in moments))
        files = [self._load] if self._load else []
        try:
            select.select(files, [], [], wait)
        except InterruptedError:  # a signal: the loop looks at its flag
            return

    def _take_load(self) -> None:
        if self._load is not None:
            self._put(self._book.add(self._load.poll()))

    def _take_sample(self) -> None:
        assert self._sampler is not None
        if self.now >= self._sampler.due and self._sampler.due < self._end:
            self._sampler.exclude(self._troughs.meet(self._sampler.processes))
            deep = self.now >= self._read_moment()
            self._put(self._sampler.sample(self.now, self._state.segment, deep=deep))

    def _read_moment(self) -> float:
        """When the next reading of the agents is due."""
        quiet = self._config.load.quiet
        cycle = max(self._state.read_cycle + 1, self._state.cycle)
        return (cycle + 1) * self._cycle_seconds - (1.0 - READ_AT) * quiet

    def _take_reading(self) -> None:
        assert self._sampler is not None
        if self.now >= self._read_moment():
            self._state.read_cycle = self._state.cycle
            self._troughs.start(Moment(self.now, self._state.cycle, self._state.segment), self._sampler.processes)
        self._put(self._troughs.poll())

    def _take_analysis(self) -> None:
        analysis = self._analyst.poll()
        if analysis is None:
            return
        self._put([AnalysisRow(self.now, analysis.report, self._state.cycle - 1)])
        self._state.verdict = analysis.report["verdict"]
        self._listener.message(f"after cycle {self._state.cycle}: {self._state.verdict} so far")
        if analysis.stop and self._config.load.stop == "decided":
            self._state.stopped_early = True
            self._listener.message("decided: the remaining cycles are not needed (load.stop)")

    def _turn_cycle(self) -> None:
        cycle = int(self.now // self._cycle_seconds)
        if cycle <= self._state.cycle or self.now < 0:
            return
        self._close_cycle(self._state.cycle, complete=True)
        self._state.cycle = cycle
        if cycle < self._config.load.cycles:
            self._recorder.flush(timeout=5.0)
            self._analyst.start(cycle)

    def _close_cycle(self, number: int, *, complete: bool) -> None:
        begin = number * self._cycle_seconds
        end = begin + self._cycle_seconds if complete else max(begin, self.now)
        self._cost.look()
        self._put(self._book.close(number + 1))
        self._put([CycleRow(number, begin, end, complete, self._state.segment)])

    def _watch_target(self) -> None:
        assert self._target is not None
        gone = self._target.poll()
        if gone is not None:
            self._state.exit = gone
            self._put([EventRow("exit", self.now, detail={"kind": gone.kind, "code": gone.code, "why": gone.message})])
            code = "target_killed" if gone.kind == "oom" else "target_died"
            raise SoakError(code, cycle=self._state.cycle + 1, why=gone.message, log=self._target.log_path)

    def _tell(self) -> None:
        if self.now >= self._state.next_status:
            self._state.next_status = self.now + STATUS_EVERY
            self._listener.status(self._status())

    def _status(self) -> Status:
        phase = self.now % self._cycle_seconds
        loaded = self._cycle_seconds - self._config.load.quiet
        return Status(
            run_id=self._run_id,
            t=self.now,
            cycle=min(self._state.cycle, self._config.load.cycles - 1),
            cycles=self._config.load.cycles,
            phase="load" if phase < loaded else "quiet",
            rate=self._shape.rate(max(0.0, self.now)),
            rss=self._sampler.rss if self._sampler else None,
            seconds_left=max(0.0, self._end - self.now),
            requests=self._book.landed,
            errors=self._book.failed,
            verdict=self._state.verdict,
        )

    # -------------------------------------------------------------------------------------------------------- end

    def _end_load(self) -> None:
        if self._load is None:
            return
        self._load.stop(self._config.load.timeout + 1.0)
        self._put(self._book.add(self._load.poll()))
        self._put(self._book.windows())
        self._put(self._book.close())
        self._load.close()

    def _end_readings(self) -> None:
        self._put(self._troughs.finish())
        self._troughs.close()
        if self._sampler is None or self.now <= 0:
            return
        if self._state.cycle < self._config.load.cycles:
            self._close_cycle(self._state.cycle, complete=self.now >= (self._state.cycle + 1) * self._cycle_seconds)

    def _end_sampling(self) -> None:
        if self._sampler is not None:
            self._sampler.close()

    def _end_target(self) -> None:
        if self._target is None:
            return
        self._target.stop()
        self._put(OwnedRow(pid, start, "target", gone=True) for pid, start in self._target.roots if self._target.owned)

    def _conclude(self, *, interrupted: bool) -> RunOutcome:
        failure = self._state.failure
        status = "failed" if failure else "interrupted" if interrupted else "completed"
        error = {"code": failure.code, "message": str(failure)} if failure else None
        duration = max(0.0, self.now)
        self._store.update_run(self._run_id, target=self._described_target())
        self._store.end_run(self._run_id, status, self._clock.wall(), duration_s=duration, error=error)
        report = self._analyst.finish()
        self._store.write(self._run_id, [AnalysisRow(duration, report, None)])
        code = EXIT_INTERRUPTED if status == "interrupted" else report["exit_code"]
        return RunOutcome(self._run_id, report, code, failure)

    # ------------------------------------------------------------------------------------------------------ small

    def _put(self, records: Iterable[Record]) -> None:
        for record in records:
            self._recorder.put(record)

    def _described_target(self) -> dict[str, Any]:
        python = next((hello.get("python") for hello in self._troughs.hellos), None)
        return {"command": list(self._config.target.command), "pids": self._state.pids, "python": python}

    def _run_start(self) -> RunStart:
        load = self._config.load
        pid = os.getpid()
        return RunStart(
            name=self._config.target.name,
            host=socket.gethostname(),
            started=self._clock.wall(),
            soak_version=__version__,
            cycle_seconds=load.cycle,
            quiet_seconds=load.quiet,
            cycles_planned=load.cycles,
            config=self._config.to_json(),
            target={"command": list(self._config.target.command)},
            version=target_version(self._config),
            owner_pid=pid,
            owner_start=start_time_of(pid),
        )
