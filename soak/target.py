"""The service that is soaked: launched and supervised, or attached to."""

from __future__ import annotations

import errno
import os
import shlex
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from soak.attach import AttachedTarget, listeners
from soak.config import Target as TargetSettings
from soak.errors import SoakError
from soak.launch.client import WardenClient, WardenLost
from soak.launch.ending import Exit, OomCounter, exit_from_status
from soak.launch.logfile import TargetLog
from soak.launch.ports import listening_ports
from soak.launch.readiness import Endpoint, readiness
from soak_probes import start_time_of

__all__ = ["AttachedTarget", "Exit", "Target", "TargetProcess", "make_target", "target_environment"]

Root = tuple[int, int]
POLL = 0.05  # seconds between two looks while the target starts
SETTLE = 0.5  # without a url nothing can be asked: the target must live this long

# soak's own settings and what systemd gave to soak are not for the target: it would report in soak's name.
_NOT_INHERITED = frozenset(
    {"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"}
)


class Target(Protocol):
    """What the rest of soak needs of a target."""

    @property
    def owned(self) -> bool:
        """Whether soak started it, and so ends it."""

    @property
    def reaper_pid(self) -> int | None:
        """The process that the target's orphans become children of."""

    @property
    def log_path(self) -> Path | None:
        """Where its output goes, when that is ours to say."""

    @property
    def group(self) -> Path | None:
        """The folder of its control group, where that is the target's alone."""

    @property
    def roots(self) -> tuple[Root, ...]:
        """(pid, start time in clock ticks after boot) of the processes that the target begins with."""

    def start(self, run_dir: Path, extra_env: Mapping[str, str]) -> None:
        """Start or find it."""

    def ready(self, waited: float, timeout: float | None = None) -> bool:
        """One look, `waited` seconds after its start; SoakError when it died, or waited for `timeout` in vain."""

    def wait_ready(self, timeout: float | None = None) -> None:
        """Return when it answers; SoakError when it dies or does not within `timeout` seconds."""

    def poll(self) -> Exit | None:
        """How it ended; None while it runs."""

    def members(self) -> Iterable[int]:
        """Processes that belong to it by control group, whoever started them."""

    def oom_kills(self) -> int:
        """How often the kernel killed for memory in its control group since the start: a worker, or itself."""

    def stop(self) -> None:
        """End it if it is ours, let go of it if not."""

    def abandon(self) -> None:
        """Do not wait for its end: the warden sees to it."""


def make_target(settings: TargetSettings) -> TargetProcess | AttachedTarget:
    """The target that the configuration describes."""
    return TargetProcess(settings) if settings.command else AttachedTarget(settings)


def target_environment(settings: TargetSettings, extra: Mapping[str, str], base: Mapping[str, str]) -> dict[str, str]:
    """What the target gets: soak's environment without what is soak's own, then target.env, then the agent's."""
    clean = {name: value for name, value in base.items() if name not in _NOT_INHERITED and not name.startswith("SOAK_")}
    return {**clean, **settings.env, **extra}


class TargetProcess:
    """A command that soak starts, without a shell, as the child of a warden that ends it whatever becomes of soak."""

    owned = True
    group: Path | None = None

    def __init__(
        self,
        settings: TargetSettings,
        *,
        environ: Mapping[str, str] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is started yet."""
        self._settings = settings
        self._environ = os.environ if environ is None else environ
        self._monotonic = monotonic
        self._warden: WardenClient | None = None
        self._log: TargetLog | None = None
        self._extra: Mapping[str, str] = {}
        self._root: Root | None = None
        self._oom: OomCounter | None = None
        self._exit: Exit | None = None

    @property
    def roots(self) -> tuple[Root, ...]:
        """The started process, also when it has ended; empty before the start."""
        return (self._root,) if self._root else ()

    @property
    def reaper_pid(self) -> int | None:
        """The warden."""
        return self._warden.pid if self._warden else None

    @property
    def log_path(self) -> Path | None:
        """Where its output goes."""
        return self._log.path if self._log else None

    def start(self, run_dir: Path, extra_env: Mapping[str, str]) -> None:
        """Start the command with its output in `run_dir`/target.log. SoakError: port_taken or target_not_started."""
        self._require_free_port()
        self._log = TargetLog(run_dir / "target.log")
        self._extra = extra_env
        self._warden = WardenClient()
        self._launch()

    def ready(self, waited: float, timeout: float | None = None) -> bool:
        """One look, `waited` seconds after its start; SoakError: target_died_starting or target_not_ready."""
        timeout = self._settings.startup_timeout if timeout is None else timeout
        asked = readiness(self._settings.url, self._settings.ready)
        gone = self.poll()
        if gone is not None:
            raise self._error("target_died_starting", why=gone.message)
        if asked[0]() if asked else waited >= SETTLE:
            return True
        if waited >= timeout:
            raise self._error(
                "target_not_ready", seconds=f"{timeout:g}", why=self._elsewhere(asked[1] if asked else "")
            )
        return False

    def _elsewhere(self, why: str) -> str:
        """`why`, with the ports where it listens instead."""
        found = listening_ports(pid for pid, _ in self.roots)
        if not found or (self._settings.url and Endpoint.of(self._settings.url).port in found):
            return why
        return f"{why}; it listens on port {', '.join(map(str, found))}"

    def wait_ready(self, timeout: float | None = None) -> None:
        """Until `ready` answers below 500 or the port accepts; without a url, until it has lived for half a second."""
        began = self._monotonic()
        while not self.ready(self._monotonic() - began, timeout):
            time.sleep(POLL)

    def poll(self) -> Exit | None:
        """How the started process ended; None while it runs. Also keeps its log within bounds."""
        if self._exit is None and self._warden is not None:
            if self._log is not None:
                self._log.bound()
            try:
                for event in self._warden.exits():
                    self._exit = self._read_exit(event)
            except WardenLost:
                self._exit = Exit("signal", 9, "killed together with its warden, which somebody else ended")
        return self._exit

    def members(self) -> Iterable[int]:
        """None: it shares soak's control group, and what it starts is found through the warden."""
        return ()

    def oom_kills(self) -> int:
        """How often the kernel killed for memory in its control group since it was started."""
        return self._oom.kills() if self._oom else 0

    def restart(self) -> None:
        """End what is left of it and start it again; `roots` are new, the log goes on. SoakError as at the start."""
        if self._warden is None:
            raise RuntimeError("restart before start")
        try:
            self._warden.stop(self._settings.stop_timeout)
            self._warden.exits()
        except WardenLost:
            self._warden.close()
            self._warden = WardenClient()
        self._require_free_port()
        self._launch()

    def signal(self, number: int) -> None:
        """Send a signal to its main process, for faults; nothing happens when it is gone."""
        if self._root and start_time_of(self._root[0]) == self._root[1]:
            os.kill(self._root[0], number)

    def stop(self) -> None:
        """SIGTERM to its group, SIGKILL after stop_timeout to all that is left, orphans too; then the warden goes."""
        warden, self._warden = self._warden, None
        if warden is None:
            return
        try:
            warden.stop(self._settings.stop_timeout)
            for event in warden.exits():
                self._exit = self._exit or self._read_exit(event)
        except WardenLost:
            self._exit = self._exit or Exit("signal", 9, "killed together with its warden")
        except KeyboardInterrupt:  # the second signal: now
            with suppress(WardenLost):
                warden.stop(0.0)
            raise
        finally:
            warden.close()

    def abandon(self) -> None:
        """Leave its end to the warden and return at once."""
        warden, self._warden = self._warden, None
        if warden is not None:
            warden.hang_up()

    def _launch(self) -> None:
        assert self._warden is not None
        assert self._log is not None
        settings = self._settings
        env = target_environment(settings, self._extra, self._environ)
        self._exit = None
        self._log.begin()
        try:
            answer = self._warden.start(
                settings.command, env, settings.cwd, self._log.path.resolve(), settings.stop_timeout
            )
        except WardenLost:
            raise SoakError("target_not_started", command=self._shown(), why="its warden did not answer") from None
        if answer["event"] == "failed":
            raise SoakError("target_not_started", command=self._shown(), why=_why_not_started(answer, settings, env))
        self._root = (answer["pid"], answer["start_time"])
        self._oom = OomCounter(answer["pid"])

    def _require_free_port(self) -> None:
        if self._settings.url is None:
            return
        endpoint = Endpoint.of(self._settings.url)
        if endpoint.accepts():
            raise SoakError("port_taken", port=endpoint.port, host=endpoint.host, holder=listeners(endpoint.port))

    def _read_exit(self, event: Mapping[str, Any]) -> Exit:
        oom = self._oom is not None and self._oom.just_now()
        return exit_from_status(event["status"], oom, event["cpu"], event["rss"])

    def _error(self, code: str, **facts: object) -> SoakError:
        assert self._log is not None
        return SoakError(code, command=self._shown(), log=self._log.path, tail=self._log.tail(), **facts)

    def _shown(self) -> str:
        # The program alone: arguments may hold passwords, and messages are stored.
        return shlex.quote(self._settings.command[0])


def _why_not_started(answer: Mapping[str, Any], settings: TargetSettings, env: Mapping[str, str]) -> str:
    number = answer["errno"]
    reason = os.strerror(number)
    if answer["step"] == "cwd":
        return f"its folder {settings.cwd}: {reason}"
    if answer["step"] == "exec" and number == errno.ENOENT and "/" not in settings.command[0]:
        return f"there is no such program on PATH ({env.get('PATH', 'which is not set')})"
    if number == errno.ENOEXEC:
        return "it is no program: a script needs a first line such as #!/usr/bin/env python3"
    return reason
