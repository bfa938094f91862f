"""One soak, from the start of the target to the report: `startup -> loop -> shutdown`."""

from __future__ import annotations

import os
import select
import shutil
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soak import __version__, planning
from soak.agentfolder import make_agent_folder
from soak.clock import Clock, SystemClock
from soak.config import Config
from soak.errors import EXIT_INTERRUPTED, SoakError
from soak.leftovers import clear_leftovers
from soak.load import LoadPlan
from soak.parts.base import Part, Run
from soak.parts.beside import PreflightPart, parts_beside
from soak.parts.cycles import CyclePart
from soak.parts.load import LoadPart
from soak.parts.samples import SamplePart
from soak.parts.status import StatusPart
from soak.parts.target import TargetPart
from soak.places import drop_empty, forget_run_folder, run_folder
from soak.progress import ProgressListener, Silent
from soak.recorder import Recorder
from soak.report.units import moment
from soak.resume import CutOff
from soak.signals import StopSignals
from soak.version import target_version
from soak_probes import start_time_of
from soak_storage import Store, StoreUnavailable, open_store
from soak_storage.records import AnalysisRow, RunStart
from soak_storage.retention import Owner, Retention

LONGEST_WAIT = 1.0  # seconds between two looks at the flag that a signal sets
STORE_PATIENCE = 60.0  # seconds for the last batch: a disk that is full for a while must not lose it
CLOSE_PATIENCE = 60.0  # seconds for the end of a run, likewise
CLOSE_EVERY = 1.0  # seconds between two attempts
TIDY_SECONDS = 5.0  # after a run in the foreground somebody waits for the report
ABANDON_PATIENCE = 2.0  # seconds for the store when somebody has asked twice


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How a run ended: its number in the store, its report (contract), the exit code, and what cut it short."""

    run_id: int
    report: dict[str, Any]
    exit_code: int
    failure: SoakError | None = None


def run_soak(
    config: Config,
    *,
    progress: ProgressListener | None = None,
    run_dir: Path | None = None,
    clock: Clock | None = None,
) -> RunOutcome:
    """Soak the target of `config` once, in the foreground, and judge it.

    What was sampled is stored, judged and reported however the run ends. Raises SoakError when the store cannot be
    opened or the analysis breaks.
    """
    clock = clock or SystemClock()
    with open_store(config.storage.url) as store, StopSignals() as signals:
        outcome = Session(config, store, progress or Silent(), clock, run_dir).run(signals)
        _tidy(store, config, clock)
    return outcome


def _tidy(store: Store, config: Config, clock: Clock) -> None:
    """Let go of this target's runs older than storage.retain, as the daemon does all the time: now no sample waits."""
    url = config.storage.url
    owner = Owner(socket.gethostname(), config.target.name)
    retention = Retention(
        store, retain=config.storage.retain, owner=owner, deleted=lambda run: forget_run_folder(url, run)
    )
    with suppress(StoreUnavailable):  # the run is over and stored; the next one tidies
        retention.run(clock.wall(), TIDY_SECONDS)


class Session:
    """One run in the store, the parts it is made of, and the loop that keeps them to their times."""

    def __init__(
        self,
        config: Config,
        store: Store,
        progress: ProgressListener,
        clock: Clock,
        run_dir: Path | None = None,
        cut_off: CutOff | None = None,
    ) -> None:
        """`cut_off`: go on with that run instead of beginning one."""
        clear_leftovers(store, but=None if cut_off is None else cut_off.run_id)
        plan = LoadPlan.from_config(config)
        run_id = store.begin_run(run_start(config, clock)) if cut_off is None else cut_off.run_id
        folder = run_dir or run_folder(config.storage.url, run_id)
        recorder = Recorder(store, run_id)
        self.state = Run(run_id, config, store, recorder, folder, clock, progress, clock.monotonic())
        if cut_off is not None:
            _go_on(self.state, cut_off)
        self._agent_dir = make_agent_folder()
        target = TargetPart(self.state, self._agent_dir, cut_off)
        samples = SamplePart(self.state, target)
        self._load = LoadPart(self.state, plan, samples)
        self._cycles = CyclePart(self.state, self._load)
        status = StatusPart(self.state, self._load, samples)
        beside = parts_beside(self.state, target, samples)
        self._parts: list[Part] = [
            target,
            PreflightPart(self.state),
            samples,
            self._load,
            *beside,
            self._cycles,
            status,
        ]
        self._started: list[Part] = []
        self._ended = False  # is the run closed in the store?

    def run(self, signals: StopSignals) -> RunOutcome:
        """Everything, in order; each part that was started is ended, whatever happens in between."""
        self.state.stopping = lambda: signals.received
        try:
            try:
                self._startup()
                self._loop()
            except SoakError as error:
                self.state.failure = error
            self._shutdown()
            return self._conclude(interrupted=signals.received)
        except BaseException:  # the second signal, or a fault of ours: nothing of the run may stay behind
            self._abandon()
            raise

    def _startup(self) -> None:
        if self.state.config.load.profile != "none":
            self._load.plan.check()  # before the target starts; in a run, so that tonight is not taken for last night
        for warning in () if self.state.resumed else planning.warnings(self.state.config):
            self.state.listener.message(f"warning: {warning}")
        for part in self._parts:
            if self.state.stopping():
                return
            self._started.append(part)
            part.initialize()
        self.state.keep_target()  # for whoever finds the run cut off

    def _loop(self) -> None:
        run = self.state
        while not run.stopping() and run.now < run.end and not run.decided:
            self._wait()
            for part in self._parts:
                part.loop(run.now)

    def _shutdown(self) -> None:
        """End the parts, the last one first: the load before the target that it is for."""
        run = self.state
        run.listener.ending()
        while self._started:
            try:
                self._started[-1].shutdown()
            except SoakError as error:
                run.failure = run.failure or error
            self._started.pop()  # not before: what was asked to end and did not is abandoned by the second signal
        shutil.rmtree(self._agent_dir, ignore_errors=True)
        if not run.recorder.close(timeout=STORE_PATIENCE):
            stats = run.recorder.stats
            run.failure = run.failure or SoakError("records_lost", count=stats.queued, why=stats.last_error)

    def _wait(self) -> None:
        """Until the next moment of a part, or until the load has something to say."""
        now = self.state.now
        moments = [self.state.end, *(part.due(now) for part in self._parts)]
        wait = min(LONGEST_WAIT, max(0.0, min(moments) - now))
        try:
            select.select([self._load.generator] if self._load.generator else [], [], [], wait)
        except InterruptedError:  # a signal: the loop looks at its flag
            return

    def _conclude(self, *, interrupted: bool) -> RunOutcome:
        run = self.state
        failure = run.failure
        status = "failed" if failure else "interrupted" if interrupted else "completed"
        error = {"code": failure.code, "message": " ".join(str(failure).split())} if failure else None
        duration = max(0.0, run.now)
        ended = run.clock.wall()
        self._ended = self._put_down(lambda: self._close(status, ended, duration, error))
        report = self._cycles.analyst.finish()
        if self._ended:
            self._put_down(lambda: run.store.write(run.id, [AnalysisRow(duration, report, None)]))
        else:  # the report of what is stored, and how the run ended from memory
            report["run"] |= {"status": status, "ended": moment(ended), "error": error}
        if failure is None:  # else messages name them
            drop_empty(run.folder)
        code = EXIT_INTERRUPTED if status == "interrupted" else report["exit_code"]
        return RunOutcome(run.id, report, code, failure)

    def _close(self, status: str, ended: float, duration: float, error: Mapping[str, Any] | None) -> None:
        self.state.keep_target()
        self.state.store.end_run(self.state.id, status, ended, duration_s=duration, error=error)

    def _put_down(self, write: Callable[[], None]) -> bool:
        """Write the end of a run; False, and that is said, when the store cannot be written for CLOSE_PATIENCE.

        A run that stays open then is closed by the next soak, as one that was cut off; its report is still given.
        """
        until = self.state.clock.monotonic() + CLOSE_PATIENCE
        while True:
            try:
                write()
            except StoreUnavailable as unavailable:
                if self.state.clock.monotonic() >= until or self.state.stopping():
                    self.state.listener.message(
                        f"warning: the end of the run is not in the store: {unavailable.message}"
                    )
                    return False
                self.state.clock.sleep(CLOSE_EVERY)
            else:
                return True

    def _abandon(self) -> None:
        """Now: nobody is waited for, what is in the queue is stored, the run is closed as interrupted if it is open."""
        for part in reversed(self._started):
            part.abandon()
        self._cycles.abandon()  # the last analysis, when all parts have ended already
        run = self.state
        shutil.rmtree(self._agent_dir, ignore_errors=True)
        run.recorder.close(timeout=ABANDON_PATIENCE)
        if not self._ended:
            error = {"code": "abandoned", "message": "ended at once, without an analysis"}
            run.store.end_run(run.id, "interrupted", run.clock.wall(), error=error)


def _go_on(run: Run, cut_off: CutOff) -> None:
    """A run stands where it would stand by now, had it not been cut off."""
    run.resumed = True
    run.zero, run.segment = cut_off.zero, cut_off.segment
    run.pids, run.python = list(cut_off.pids), cut_off.python
    run.cycle = int(run.now // run.cycle_seconds)


def run_start(config: Config, clock: Clock) -> RunStart:
    """What is known of a run when it begins."""
    load = config.load
    pid = os.getpid()
    return RunStart(
        name=config.target.name,
        host=socket.gethostname(),
        started=clock.wall(),
        soak_version=__version__,
        cycle_seconds=load.cycle,
        quiet_seconds=load.quiet,
        cycles_planned=load.cycles,
        config=config.to_json(),
        target={"command": list(config.target.command)},
        version=target_version(config),
        owner_pid=pid,
        owner_start=start_time_of(pid),
    )
