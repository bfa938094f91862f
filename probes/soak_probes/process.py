"""One process of the target, and single questions about any process."""

from __future__ import annotations

from dataclasses import dataclass, field

from soak_probes.parse import Stat, parse_cmdline, parse_stat
from soak_probes.procfs import ProcFiles
from soak_probes.reading import ProcessGone, Refused

Key = tuple[int, int]
"""pid and start time in clock ticks after boot: together they name one process for good."""


@dataclass(slots=True)
class Process:
    """One process of the target; `stat` is as fresh as the last refresh, `files` stay open until it is gone."""

    files: ProcFiles
    stat: Stat
    cmdline: tuple[str, ...]
    role: str = "child"
    children: int = 0
    """Direct children, zombies included."""
    place: int | None = None
    """Of a worker: the pid of the first worker in its place, see soak_probes.slots."""
    looks: int = 0
    memory: dict[str, object] = field(default_factory=dict)
    """What a probe has to remember of this process until the next sample."""

    @property
    def pid(self) -> int:
        """The process id as this machine's /proc names it."""
        return self.stat.pid

    @property
    def start_time(self) -> int:
        """Clock ticks after boot; together with the pid it names one process for good."""
        return self.stat.start_time

    @property
    def ppid(self) -> int:
        """The parent's pid."""
        return self.stat.ppid

    @property
    def name(self) -> str:
        """The kernel's short name of the program."""
        return self.stat.comm

    @property
    def state(self) -> str:
        """R, S, D, T, Z, … as in proc_pid_stat(5)."""
        return self.stat.state

    @property
    def key(self) -> Key:
        """pid and start time."""
        return self.stat.pid, self.stat.start_time

    @property
    def settled(self) -> bool:
        """Whether it is the main process, or was there at three looks in a row: no helper that comes and goes."""
        return self.role == "main" or self.looks >= 2

    @property
    def label(self) -> str:
        """The `process` of this process's series: `<pid>:<role>`; a recycled worker goes on under its first pid."""
        return f"{self.place or self.stat.pid}:{self.role}"


def cmdline_of(files: ProcFiles) -> tuple[str, ...]:
    try:
        return parse_cmdline(files.read("cmdline"))
    except (ProcessGone, Refused):
        return ()


def parent_of(pid: str, proc_root: str) -> int:
    files = ProcFiles(int(pid), proc_root)
    try:
        return parse_stat(files.pread("stat")).ppid
    finally:
        files.close()


def start_time_of(pid: int, proc_root: str = "/proc") -> int | None:
    """The start time of a living process in clock ticks after boot; None when it is gone or a zombie."""
    try:
        files = ProcFiles(pid, proc_root)
    except (ProcessGone, Refused):
        return None
    try:
        stat = parse_stat(files.pread("stat"))
    except (ProcessGone, Refused, ValueError):
        return None
    finally:
        files.close()
    return None if stat.dead else stat.start_time
