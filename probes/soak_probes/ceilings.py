"""How far a series can grow before something stops it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from soak_probes.cgroup import controller_folder, tightest


class Ceiling(NamedTuple):
    """A limit in the series's own unit, and where it is set."""

    limit: int
    where: str


def ceilings(pid: int, proc_root: str = "/proc") -> dict[str, Ceiling]:
    """series -> ceiling of one process: fds by RLIMIT_NOFILE, threads by pids.max, rss by the memory limit.

    fds holds for each process by itself; threads and rss for all in the same control group together. What cannot be
    read or is unlimited is left out.
    """
    found: dict[str, Ceiling] = {}
    files = parse_limit(_text(Path(proc_root, str(pid), "limits")), "Max open files")
    if files is not None:
        found["fds"] = Ceiling(files, "RLIMIT_NOFILE (soft limit of the process)")
    tasks = controller_folder("pids", pid, proc_root)
    if tasks is not None and (limit := tightest(tasks, "pids.max")):
        found["threads"] = Ceiling(limit[0], f"TasksMax ({limit[1]})")
    memory = controller_folder("memory", pid, proc_root)
    # memory.high does not kill, but above it the group is throttled until it hardly runs.
    if memory is not None and (limit := tightest(memory, "memory.max", "memory.high", "memory.limit_in_bytes")):
        found["rss"] = Ceiling(limit[0], f"memory limit of the control group ({limit[1]})")
    return found


def parse_limit(data: str, name: str) -> int | None:
    """The soft limit of this name in /proc/PID/limits; None if unlimited or missing."""
    for line in data.splitlines():
        if line.startswith(name):
            soft = line[len(name) :].split()[0]
            return int(soft) if soft.isdigit() else None
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
