"""Finding processes that run already: by command line, by port, by control group."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from soak_probes.cgroup import parse_cgroup
from soak_probes.parse import parse_cmdline, parse_listeners, parse_stat


@dataclass(frozen=True, slots=True)
class Found:
    """A process as it was found; `program` is the file name of its first argument."""

    pid: int
    start_time: int
    ppid: int
    cmdline: tuple[str, ...]

    @property
    def program(self) -> str:
        """What may be shown of its command line: arguments can hold passwords."""
        return Path(self.cmdline[0]).name if self.cmdline else "unnamed"

    def __str__(self) -> str:
        return f"process {self.pid} ({self.program})"


class Finder:
    """Looks over all processes of a /proc."""

    def __init__(self, proc_root: str = "/proc", own_pid: int | None = None) -> None:
        """`own_pid` and its ancestors and descendants are never found by pattern: soak's command line names targets."""
        self._root = Path(proc_root)
        self._own = os.getpid() if own_pid is None else own_pid

    def look(self, pid: int) -> Found | None:
        """One living process; None if it is gone or a zombie."""
        try:
            stat = parse_stat((self._root / str(pid) / "stat").read_bytes())
            cmdline = parse_cmdline((self._root / str(pid) / "cmdline").read_bytes())
        except (OSError, ValueError):
            return None
        return None if stat.dead else Found(pid, stat.start_time, stat.ppid, cmdline)

    def all(self) -> list[Found]:
        """Every living process with a command line (kernel threads have none), by pid."""
        pids = sorted(int(entry.name) for entry in self._root.iterdir() if entry.name.isdigit())
        found = map(self.look, pids)
        return [process for process in found if process is not None and process.cmdline]

    def by_pattern(self, pattern: str) -> list[Found]:
        """Processes whose command line, joined by spaces, matches a regular expression anywhere (re.error)."""
        wanted = re.compile(pattern)
        everyone = self.all()
        ours = self._family(everyone)
        return [process for process in everyone if process.pid not in ours and wanted.search(" ".join(process.cmdline))]

    def listening(self, port: int) -> tuple[list[Found], bool]:
        """Who listens on a TCP port here, and whether anybody does: another user's process does unseen."""
        inodes: set[int] = set()
        for table in ("tcp", "tcp6"):
            with contextlib.suppress(OSError):
                inodes |= parse_listeners((self._root / "net" / table).read_bytes(), port)
        wanted = {f"socket:[{inode}]" for inode in inodes}
        return [process for process in self.all() if wanted and wanted & self._links(process.pid)], bool(inodes)

    def in_group(self, part: re.Pattern[str]) -> list[Found]:
        """Processes that have a control group with a path component that matches as a whole."""
        return [process for process in self.all() if any(part.fullmatch(name) for name in self._groups(process.pid))]

    def _groups(self, pid: int) -> set[str]:
        try:
            groups = parse_cgroup((self._root / str(pid) / "cgroup").read_text())
        except (OSError, ValueError):
            return set()
        return {component for group in groups.values() for component in group.split("/")}

    def _links(self, pid: int) -> set[str]:
        found: set[str] = set()
        with contextlib.suppress(OSError), os.scandir(self._root / str(pid) / "fd") as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    found.add(str(Path(entry.path).readlink()))
        return found

    def _family(self, everyone: Iterable[Found]) -> set[int]:
        parents = {process.pid: process.ppid for process in everyone}
        ancestors = set(_line(self._own, parents))
        return ancestors | {pid for pid in parents if self._own in _line(pid, parents)}


def topmost(found: Iterable[Found]) -> list[Found]:
    """Those whose parent is not among them: the masters of pre-fork servers, the first processes of a control group."""
    found = list(found)
    pids = {process.pid for process in found}
    return [process for process in found if process.ppid not in pids]


def _line(pid: int, parents: dict[int, int]) -> Iterator[int]:
    """A process and its ancestors."""
    while pid:
        yield pid
        pid = parents.get(pid, 0)
