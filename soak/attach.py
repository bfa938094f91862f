"""Finding a target that runs already, and naming who listens on a port."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from soak_probes import start_time_of
from soak_probes.parse import parse_cmdline, parse_listeners

from soak.config import Target as TargetSettings
from soak.errors import SoakError

Root = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that is named in a message."""

    pid: int
    program: str

    def __str__(self) -> str:
        return f"process {self.pid} ({self.program})"


def find_target(settings: TargetSettings) -> tuple[Root, ...]:
    """The processes that the configuration points to. SoakError target_not_found when there is none."""
    pid = settings.pid
    if pid is None:
        raise SoakError("target_not_found", what="a target to attach to", why="only pid is understood so far")
    start_time = start_time_of(pid)
    if start_time is None:
        raise SoakError("target_not_found", what=f"process {pid}", why="there is no such process")
    return ((pid, start_time),)


def listeners(port: int, proc_root: str = "/proc") -> list[Holder]:
    """Who listens on a TCP port of this network namespace, as far as this user may see."""
    inodes: set[int] = set()
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            inodes |= parse_listeners(Path(proc_root, "net", table).read_bytes(), port)
    wanted = {f"socket:[{inode}]" for inode in inodes}
    return [Holder(pid, _program(pid, proc_root)) for pid in _pids(proc_root) if wanted & _links(pid, proc_root)]


def _pids(proc_root: str) -> Iterator[int]:
    return (int(entry.name) for entry in Path(proc_root).iterdir() if entry.name.isdigit())


def _links(pid: int, proc_root: str) -> set[str]:
    found: set[str] = set()
    with contextlib.suppress(OSError), os.scandir(f"{proc_root}/{pid}/fd") as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                found.add(str(Path(entry.path).readlink()))
    return found


def _program(pid: int, proc_root: str) -> str:
    try:
        cmdline = parse_cmdline(Path(proc_root, str(pid), "cmdline").read_bytes())
    except OSError:
        cmdline = ()
    return Path(cmdline[0]).name if cmdline else "unnamed"
