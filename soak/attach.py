"""Finding a target that runs already: by pid, pid file, port, command line, systemd unit or container."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from soak_probes.find import Finder, Found, topmost

from soak.config import Target as TargetSettings
from soak.errors import SoakError

Root = tuple[int, int]
_ENGINES = ("docker", "podman", "nerdctl")
_ENGINE_TIMEOUT = 10.0  # seconds; an engine that hangs must not hang soak
# How engines name a container's control group: docker-ID.scope, libpod-ID.scope, cri-containerd-ID.scope, crio-ID, ID.
_CONTAINER_GROUP = r"(?:[a-z-]+[-:])?{id}[0-9a-f]*(?:\.scope|\.slice)?"
_SHORT_ID = re.compile(r"[0-9a-f]{12,64}")
# A Kubernetes pod's group is named by the pod's uid, with - or _ between.
_POD_UID = re.compile(r"[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}")


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
        f"{' and '.join(engines)} do not know it" if engines else "there is no container engine here to ask for its id"
    )
    raise SoakError("target_not_found", what=what, why=why)
