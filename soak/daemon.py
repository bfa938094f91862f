"""The service: soaks on a schedule until it is told to stop. A soak runs in the main thread, the parts beside it."""

from __future__ import annotations

import logging
import signal
import socket
import time
from collections.abc import Callable
from types import FrameType

from soak.alerts import AlertSender, News, channels_of, findings_of
from soak.clock import SystemClock
from soak.clocktimes import BadSchedule, trigger_of
from soak.config import Config, format_duration
from soak.errors import ConfigError, Problem, SoakError, UsageError
from soak.footprint import give_back, keep_what_is_there, one_arena
from soak.heartbeat import Heartbeat
from soak.housekeeping import Housekeeping
from soak.leftovers import clear_leftovers, is_alive
from soak.lock import LockPart, StoreLock
from soak.log import bind, masking
from soak.migrate import migrate
from soak.notify import Notifier
from soak.progress import Status
from soak.resume import CutOff, take_over
from soak.schedule import Order, SchedulePart
from soak.session import RunOutcome, Session
from soak.signals import StopSignals
from soak.standing import LastRun, Patience, Standing, WatchedStore, last_run
from soak.supervisor import Supervisor
from soak.web.server import WebPart
from soak_storage import Store, open_store
from soak_storage.alerts import Alerts
from soak_storage.jobs import Jobs
from soak_storage.retention import Owner

LOG = logging.getLogger(__name__)
TURN = 0.5  # seconds that the main loop waits for an order before it looks at its signals
STOP_SECONDS = 15.0  # for all parts together; an alert on its way takes up to ten
CONCLUSIVE = ("clean", "leak", "failed")  # verdicts that say of a finding that it is gone


class DaemonSignals(StopSignals):
    """As for every soak, but SIGHUP asks for the configuration to be read again."""

    def __init__(self) -> None:
        super().__init__()
        self.reload = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self.reload = True
        else:
            super()._handle(number, frame)


class Daemon:
    """Everything that lives as long as the service does."""

    def __init__(self, load: Callable[[], Config], *, notifier: Notifier | None = None) -> None:
        """`load` reads the configuration, now and at each SIGHUP. ConfigError when it is not fit for a daemon."""
        self._load = load
        self._config = checked(load())
        self._notifier = notifier or Notifier()
        self._clock = SystemClock()
        self._host = socket.gethostname()
        self._signals = DaemonSignals()
        self._tidied = 0  # the cycle after which memory was last given back

    # ------------------------------------------------------------------------------------------------- one screen

    def run(self) -> int:
        """Soak on the schedule until SIGTERM or SIGINT; the exit code."""
        url, name = self._config.storage.url, self._config.target.name
        one_arena()
        migrate(url)
        with (
            open_store(url) as store,
            masking(store.redactor.text),
            StoreLock(store, self._host, name) as lock,
            self._signals,
        ):
            cut_off = self._startup(store, lock)
            try:
                if cut_off is not None:
                    order = self._schedule.going_on(time.time() - (time.monotonic() - cut_off.zero))
                    self._soak(order, cut_off)
                while not self._signals.received:
                    self._turn()
            finally:
                self._shutdown()
        return 0

    def _startup(self, store: Store, lock: StoreLock) -> CutOff | None:
        """Clear up, start the parts; a run that goes on."""
        cut_off = take_over(store, self._config, self._host, is_alive, time.monotonic())
        for run_id in clear_leftovers(store, but=None if cut_off is None else cut_off.run_id):
            LOG.warning("run %d was cut off by a crash: it is closed as interrupted, what was sampled is kept", run_id)
        config = self._config
        self._standing = Standing(config.target.name, last=last_run(store, config.target.name, self._host))
        self._store = WatchedStore(store, self._standing)
        self._schedule = SchedulePart(Jobs(store, self._host), config.target.name, config.schedule)
        owner = Owner(self._host, config.target.name)
        self._housekeeping = Housekeeping(store, config.storage.url, config.storage.retain, owner)
        self._web = WebPart(self._standing, config.web, store, config.storage.url)
        channels = channels_of(config.alerts)
        alerts = Alerts(store, channels, repeat=config.alerts.repeat)
        self._sender = AlertSender(alerts, channels, target=config.target.name)
        heartbeat = Heartbeat(self._standing, self._notifier)
        kept = LockPart(lock, self._signals.ask)
        self._parts = Supervisor([heartbeat, kept, self._schedule, self._sender, self._housekeeping, self._web])
        self._standing.parts = self._parts.states
        self._standing.next_start = lambda: self._schedule.next_start
        self._parts.start()
        keep_what_is_there()
        self._notifier.ready()
        LOG.info("ready: %s", config.target.name)
        return cut_off

    def _turn(self) -> None:
        """Wait for an order and carry it out."""
        self._standing.turn()
        self._reload_if_asked()
        order = self._schedule.take(TURN)
        if order is not None and not self._signals.received:
            self._soak(order)

    def _shutdown(self) -> None:
        self._notifier.stopping()
        self._parts.stop(STOP_SECONDS)
        LOG.info("stopped")

    # ---------------------------------------------------------------------------------------------------- one soak

    def _soak(self, order: Order, cut_off: CutOff | None = None) -> None:
        config = self._config
        run_id = None
        self._standing.begin(_patience(config))
        try:
            session = Session(config, self._store, _Watcher(self), self._clock, cut_off=cut_off)
            run_id = session.state.id
            bind(run=run_id)
            self._standing.recording(run_id, lambda: session.state.recorder.stats)
            if cut_off is None:
                LOG.info("a soak of %s begins", config.target.name)
            else:
                LOG.warning("run %d was cut off by a crash: its target is the same process, it goes on", run_id)
            self._conclude(session.run(self._signals))
        except SoakError as error:  # this night is lost, the next one is not
            LOG.error("the soak could not be carried out: %s", error)
            self._end(run_id, "error", error.message)
        except Exception as error:  # a fault of ours: it must not cost the nights to come either
            LOG.exception("a fault in soak itself ended the soak; please report it with these lines")
            self._end(run_id, "error", f"{type(error).__name__}: {error}")
        finally:
            self._schedule.done(order, run_id)
            bind(run=None, cycle=None)
            give_back()

    def _conclude(self, outcome: RunOutcome) -> None:
        report = outcome.report
        verdict = report["verdict"]
        if outcome.failure is not None:
            LOG.error("run %d: %s", outcome.run_id, outcome.failure)
        LOG.warning("run %d of %s ended: %s", outcome.run_id, self._config.target.name, verdict)
        resolve = verdict in CONCLUSIVE and report["run"]["status"] == "completed"
        findings = tuple(findings_of(report))
        self._sender.take(News(report["run"]["name"], outcome.run_id, findings, time.time(), resolve))
        part = self._parts.part(self._sender.name)
        if part is not None:
            part.wake()
        self._end(outcome.run_id, verdict, str(outcome.failure.message) if outcome.failure else "")

    def _end(self, run_id: int | None, verdict: str, message: str) -> None:
        """Say how it ended; the message may have the last lines of the target's log, which may hold its passwords."""
        self._standing.end(LastRun(run_id, verdict, time.time(), self._store.redactor.text(message)))

    def watch(self, status: Status) -> None:
        """The soak tells where it stands: called about once a second in the main thread."""
        bind(cycle=status.cycle + 1)
        self._standing.progress(status)
        self._reload_if_asked()
        if status.cycle != self._tidied:
            self._tidied = status.cycle
            give_back()

    def ending(self) -> None:
        """No sample is due any more: suspects are looked at again, the target is ended, the run is judged."""
        self._standing.ending()

    # ------------------------------------------------------------------------------------------------------ reload

    def _reload_if_asked(self) -> None:
        if self._signals.reload:
            self._signals.reload = False
            self._notifier.reloading()
            try:
                self._use(checked(self._load()))
            except SoakError as error:
                LOG.error("the configuration is refused, the old one stays: %s", error)
            self._notifier.ready()

    def _use(self, config: Config) -> None:
        """Go by another configuration: a soak that is going on ends with the one it began with."""
        before = self._config
        fixed = {"storage.url": config.storage.url != before.storage.url, "target.name": _name(config) != _name(before)}
        for key in (key for key, changed in fixed.items() if changed):
            raise UsageError("reload_needs_restart", key=key)
        self._schedule.use(config.schedule)  # the one step that can fail, when the store is away: nothing before it
        self._config = config
        self._housekeeping.retain = config.storage.retain
        self._web.settings = config.web
        self._tell(config)
        changed = {"housekeeping": config.storage != before.storage, "web": config.web != before.web}
        for name in (name for name, different in changed.items() if different):
            part = self._parts.part(name)
            assert part is not None
            part.again()
        LOG.warning("the configuration was read again")

    def _tell(self, config: Config) -> None:
        """Whom alerts go to from now on."""
        channels = channels_of(config.alerts)
        self._sender.use(Alerts(self._store, channels, repeat=config.alerts.repeat), channels)


class _Watcher:
    """What a run tells its daemon."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    def status(self, status: Status) -> None:
        """Once a second."""
        self._daemon.watch(status)

    def message(self, text: str) -> None:
        """Something happened."""
        LOG.info("%s", text)

    def ending(self) -> None:
        """The loop is over."""
        self._daemon.ending()

    def close(self) -> None:
        """Nothing was shown."""


def checked(config: Config) -> Config:
    """The configuration if a daemon can live by it, else ConfigError: a schedule, an address that may be used."""
    problems = []
    schedule, takes = config.schedule, config.load.cycle * config.load.cycles
    if schedule.cron is None and schedule.every is None:
        every = format_duration(max(takes, 24 * 3600.0))
        allowed = f'cron = "0 22 * * *" or every = "{every}": the daemon needs to know when to soak'
        problems.append(Problem(str(config.path), "schedule", "nothing", allowed))
    else:
        try:
            trigger_of(schedule)
        except BadSchedule as error:
            found = str(getattr(schedule, error.key))
            problems.append(Problem(str(config.path), f"schedule.{error.key}", repr(found), error.allowed))
    if schedule.every is not None and schedule.every < takes:
        found, allowed = format_duration(schedule.every), f"no less than a soak takes ({format_duration(takes)})"
        problems.append(Problem(str(config.path), "schedule.every", found, allowed))
    problems += [Problem(str(config.path), *problem) for problem in WebPart.problems(config.web)]
    if problems:
        raise ConfigError(problems)
    return config


def _name(config: Config) -> str:
    return config.target.name


def _patience(config: Config) -> Patience:
    target = config.target
    return Patience.of(target.startup_timeout, config.sample.interval, target.stop_timeout, config.load.timeout)
