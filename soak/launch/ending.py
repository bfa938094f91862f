"""How a target ended: exit code, signal, or killed for its memory."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import Literal

from soak_probes.cgroup import oom_kills


@dataclass(frozen=True, slots=True)
class Exit:
    """`code` is the exit status or the signal's number; cpu in seconds and max_rss in bytes where they are known.

    "gone" is the end of an attached process, whose cause is told to its parent alone: no failure that is known of.
    """

    kind: Literal["exit", "signal", "oom", "gone"]
    code: int
    message: str
    cpu: float | None = None
    max_rss: int | None = None

    @property
    def failed(self) -> bool:
        """Whether `restart = "on-failure"` starts it again: anything but exit code 0."""
        return (self.kind, self.code) != ("exit", 0)


class OomCounter:
    """Tells a SIGKILL for memory from anybody else's: by its control group's counter, before and after."""

    def __init__(self, pid: int, proc_root: str = "/proc") -> None:
        """Remember the counters now; the group is looked up while the process lives."""
        self._kills = oom_kills(pid, proc_root)
        self._before = self._kills()

    def kills(self) -> int:
        """How often the kernel has killed in this control group since; 0 if that cannot be told."""
        now = self._kills()
        return 0 if now is None or self._before is None else max(0, now - self._before)


def exit_from_status(status: int, oom: bool, cpu: float | None = None, max_rss: int | None = None) -> Exit:
    """Read a wait status. SIGKILL while the group's oom_kill counter rose is an OOM kill (cgroup-v2.rst)."""
    if not os.WIFSIGNALED(status):
        code = os.waitstatus_to_exitcode(status)
        return Exit("exit", code, f"exit code {code}", cpu, max_rss)
    number = os.WTERMSIG(status)
    if number == signal.SIGKILL and oom:
        why = "killed by the kernel because memory ran out (oom_kill of its control group rose)"
        return Exit("oom", number, why, cpu, max_rss)
    return Exit("signal", number, f"killed by {signal_name(number)}", cpu, max_rss)


def signal_name(number: int) -> str:
    """SIGTERM for 15; `signal 63` for those without a name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
