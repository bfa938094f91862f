"""Our descriptors out of the target's way: it gets the lowest free numbers, and finds them as without us.

Above its soft limit where that can be: there they take nothing of what the target may open, and what it closes or asks
for number by number (`os.closerange(3, limit)`, a child that counts its own) does not come upon them. Otherwise high
under it.
"""

from __future__ import annotations

import os

from .stdlib import load, read_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HIGH = 4_000  # where ours begin: few targets have so many open
ROOM = 16  # numbers wanted above the limit, or at its end
# Limits that are gone beyond. The kernel's table has 8 bytes for each number up to the highest, and a fork copies it:
# 13 us of 420 with a descriptor at 4,000, 60 us with one at 19,000.
HIGHEST = 4_096


def above() -> int:
    """The first number that lies above the soft limit and above all that few targets use; 0 where there is no room."""
    try:
        resource = load("resource")
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    except Exception:  # forbidden by the target's own audit hook
        return 0
    least = max(soft, HIGH)
    return least if 0 <= soft <= HIGHEST and (hard < 0 or hard >= least + ROOM) else 0


def moved(numbers: list[int]) -> list[int]:
    """The same open files, not inherited by what is executed, under numbers out of the way; the old ones are closed.

    The soft limit is raised meanwhile, for some microseconds, unless there are other threads: one that forks just then
    would hand the raised limit on. Where nothing higher can be had a number stays. Never raises.
    """
    least = above()
    try:
        if least and len(os.listdir("/proc/self/task")) == 1:
            resource = load("resource")
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (least + ROOM, hard))
            try:
                numbers = [_duplicate(number, least) for number in numbers]
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            return numbers
    except Exception:  # refused, or forbidden
        pass
    return [high(number) for number in numbers]


def high(number: int) -> int:
    """The same open file under a high number below the limit, whoever else runs; `number` where none is free."""
    limit = os.sysconf("SC_OPEN_MAX")
    return _duplicate(number, max(min(limit if limit > 0 else HIGH, HIGH + ROOM) - ROOM, 0))


def _duplicate(number: int, least: int) -> int:
    """`number` moved to the first free one from `least` on."""
    try:
        fcntl: Any = load("fcntl")
        duplicate: int = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, least)
    except Exception:
        return number
    os.close(number)
    return duplicate


def inherited(directory: str) -> bool:
    """Whether the parent serves soak from the same folder: this process is one that the target executed."""
    try:
        variables = read_file(f"/proc/{os.getppid()}/environ").split(b"\0")
    except OSError:
        return False
    return b"SOAK_AGENT_DIR=" + os.fsencode(directory) in variables
