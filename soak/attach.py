"""A target that runs already, found by pid, pid file, port, command line, systemd unit or container."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from soak.config import Target as TargetSettings
from soak.errors import SoakError
from soak.launch.ending import Exit, OomCounter
from soak.launch.readiness import readiness
from soak_probes import start_time_of
from soak_probes.cgroup import controller_folder, group_pids
from soak_probes.find import Finder, Found, topmost

Root = tuple[int, int]
POLL = 0.05  # seconds between two looks while it gets ready
_ENGINES = ("docker", "podman", "nerdctl")
_ENGINE_TIMEOUT = 10.0  # seconds; an engine that hangs must not hang soak
# How engines name a container's control group: docker-ID.scope, libpod-ID.scope, cri-containerd-ID.scope, crio-ID, ID.
_CONTAINER_GROUP = r"(?:[\w.:-]+[-:])?{id}[0-9a-f]*(?:\.scope|\.slice)?"
_SHORT_ID = re.compile(r"[0-9a-f]{12,64}")
# A Kubernetes pod's group is named by the pod's uid, with - or _ between.
_POD_UID = re.compile(r"[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}")


class AttachedTarget:
    """A process that runs already: it is looked at, never started, signalled or ended."""

    owned = False
    reaper_pid: int | None = None
    log_path: Path | None = None

    def __init__(self, settings: TargetSettings, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Nothing is looked for yet."""
        self._settings = settings
        self._monotonic = monotonic
        self._roots: tuple[Root, ...] = ()
        self._oom: OomCounter | None = None
        self.group: Path | None = None
        """The folder of its control group, where that is the target's alone: of a unit or container."""

    @property
    def roots(self) -> tuple[Root, ...]:
        """The processes that were found."""
        return self._roots

    def start(self, run_dir: Path, extra_env: Mapping[str, str]) -> None:
        """Find it. SoakError: target_not_found. Its environment and its output are its own."""
        self.take(find_target(self._settings))

    def find_again(self) -> bool:
        """Whether another process has taken its place, as after a restart by systemd; `roots` are the new ones then.

        Of a target named by its pid, nothing can: whoever has the number next is somebody else.
        """
        if self._settings.pid is not None:
            return False
        try:
            roots = find_target(self._settings)
        except SoakError:
            return False
        if set(roots) <= set(self._roots):
            return False
        self.take(roots)
        return True

    def ready(self, waited: float, timeout: float | None = None) -> bool:
        """One look, after `waited` seconds; SoakError: target_gone or attached_not_ready."""
        timeout = self._settings.startup_timeout if timeout is None else timeout
        asked = readiness(self._settings.url, self._settings.ready)
        if asked is None or asked[0]():
            return True
        if self.poll() is not None:
            raise SoakError("target_gone", pid=self._roots[0][0])
        if waited >= timeout:
            raise SoakError("attached_not_ready", pid=self._roots[0][0], seconds=f"{timeout:g}", why=asked[1])
        return False

    def wait_ready(self, timeout: float | None = None) -> None:
        """Until it answers as a started one would; SoakError when it ends or does not."""
        began = self._monotonic()
        while not self.ready(self._monotonic() - began, timeout):
            time.sleep(POLL)

    def poll(self) -> Exit | None:
        """Whether all roots are gone; why, only their parent was told, except for the memory limit."""
        if any(start_time_of(pid) == start_time for pid, start_time in self._roots):
            return None
        if self._oom is not None and self._oom.of_group and self._oom.just_now():
            return Exit("oom", 9, "gone, while the kernel killed for memory in its control group")
        return Exit("gone", -1, "gone, cause unknown (the exit status of an attached process goes to its parent)")

    def members(self) -> Iterable[int]:
        """Of a unit or container: all processes in its control group. Else none but what it started."""
        return group_pids(self.group) if self.group else ()

    def oom_kills(self) -> int:
        """How often the kernel killed for memory in its control group since soak attached."""
        return self._oom.kills() if self._oom else 0

    def stop(self) -> None:
        """Let go of it: it goes on as it was."""

    def abandon(self) -> None:
        """Let go of it, as `stop` does."""

    def take(self, roots: tuple[Root, ...]) -> None:
        """These processes are the target, however they were found."""
        self._roots = roots
        self._oom = OomCounter(roots[0][0])
        if self._settings.unit or self._settings.container:
            folders = (controller_folder(controller, roots[0][0]) for controller in ("memory", "pids", "systemd"))
            self.group = next((folder for folder in folders if folder is not None and _not_ours(folder)), None)


def _not_ours(group: Path) -> bool:
    """In version 1 a unit may have no group of its own under a controller: its processes are in a shared one, or the
    root, and so is soak. Taken for the target's, that would make a target of the whole machine."""
    return os.getpid() not in group_pids(group)


def find_target(settings: TargetSettings, finder: Finder | None = None) -> tuple[Root, ...]:
    """(pid, start time) of the processes that the configuration points to, one or more.

    SoakError target_not_found when there is none, target_ambiguous when several that have nothing to do with each
    other match a pattern.
    """
    finder = finder or Finder()
    found = topmost(_candidates(settings, finder))
    return tuple((process.pid, process.start_time) for process in sorted(found, key=lambda process: process.start_time))


def listeners(port: int) -> str:
    """Who listens on a port, for a message."""
    found, _ = Finder().listening(port)
    return ", ".join(map(str, topmost(found))) or "a process that this user may not see"


def _candidates(settings: TargetSettings, finder: Finder) -> Sequence[Found]:
    if settings.pid is not None:
        return [_by_pid(settings.pid, f"process {settings.pid}", finder)]
    if settings.pid_file is not None:
        return [_by_pid_file(settings.pid_file, finder)]
    if settings.port is not None:
        return _by_port(settings.port, finder)
    if settings.process is not None:
        return _by_pattern(settings.process, finder)
    if settings.unit is not None:
        return _by_unit(settings.unit, finder)
    return _by_container(settings.container or "", finder)


def _by_pid(pid: int, what: str, finder: Finder) -> Found:
    found = finder.look(pid)
    if found is None:
        raise SoakError("target_not_found", what=what, why="there is no such process")
    return found


def _by_pid_file(path: Path, finder: Finder) -> Found:
    what = f"pid_file {path}"
    try:
        text = path.read_text().strip()
    except OSError as error:
        raise SoakError("target_not_found", what=what, why=error.strerror or "it cannot be read") from None
    if not text.isdigit():
        raise SoakError("target_not_found", what=what, why="it does not hold a process number")
    return _by_pid(int(text), f"{what}, process {text}", finder)


def _by_port(port: int, finder: Finder) -> Sequence[Found]:
    found, anybody = finder.listening(port)
    if not found:
        why = "who listens there may not be seen by this user" if anybody else "nobody listens there"
        raise SoakError("target_not_found", what=f"port {port}", why=why)
    return found


def _by_pattern(pattern: str, finder: Finder) -> Sequence[Found]:
    what = f"process {pattern!r}"
    try:
        found = finder.by_pattern(pattern)
    except re.error as error:
        raise SoakError("target_not_found", what=what, why=f"it is no regular expression: {error}") from None
    if not found:
        raise SoakError("target_not_found", what=what, why="no command line contains it")
    apart = topmost(found)
    if len(apart) > 1:
        raise SoakError("target_ambiguous", what=what, found=", ".join(map(str, apart)))
    return found


def _by_unit(unit: str, finder: Finder) -> Sequence[Found]:
    name = unit if "." in unit else f"{unit}.service"
    found = finder.in_group(re.compile(re.escape(name)))
    if not found:
        raise SoakError("target_not_found", what=f"unit {name}", why="no process is in its control group")
    return found


def _by_container(container: str, finder: Finder) -> Sequence[Found]:
    """By id or pod uid from the control group; by name through the engine's own command."""
    what = f"container {container}"
    found: Sequence[Found]
    if _POD_UID.fullmatch(container):
        # crun and systemd write the uid with underscores, cgroupfs with dashes.
        uid = re.sub("[-_]", "[-_]", container)
        found = finder.in_group(re.compile(rf"(?:[a-z-]+-)?pod{uid}(?:\.slice)?"))
    else:
        known = _SHORT_ID.fullmatch(container)
        found = _in_container(container if known else _container_id(container, what), finder)
    if not found:
        raise SoakError("target_not_found", what=what, why="no process is in its control group")
    return found


def _in_container(container_id: str, finder: Finder) -> Sequence[Found]:
    return finder.in_group(re.compile(_CONTAINER_GROUP.format(id=re.escape(container_id))))


def _container_id(name: str, what: str) -> str:
    engines = [engine for engine in _ENGINES if shutil.which(engine)]
    for engine in engines:
        with contextlib.suppress(OSError, subprocess.SubprocessError, ValueError, LookupError):
            done = subprocess.run(
                [engine, "inspect", "--type", "container", name], capture_output=True, timeout=_ENGINE_TIMEOUT
            )
            return str(json.loads(done.stdout)[0]["Id"])
    why = (
        f"{' and '.join(engines)} {'do' if len(engines) > 1 else 'does'} not know it"
        if engines
        else "there is no container engine here to ask for its id"
    )
    raise SoakError("target_not_found", what=what, why=why)
