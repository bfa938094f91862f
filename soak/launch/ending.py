"""How a target ended: exit code, signal, or killed for its memory."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from soak_probes.cgroup import oom_kills

NEAR = (
    5.0  # seconds between a kill for memory and the end that it is the cause of: a large process takes its time to go
)


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
    """Tells a SIGKILL for memory from anybody else's: by the counter of its control group, or else of the machine."""

    def __init__(self, pid: int, proc_root: str = "/proc", *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Remember the counter now; the group is looked up while the process lives."""
        self._kills = oom_kills(pid, proc_root)
        self._monotonic = monotonic
        self._before = self._last = self._kills() or 0
        self._rose: float | None = None  # when a look last found more than the one before

    @property
    def of_group(self) -> bool:
        """Whether it is that of the group: any program's on the machine says nothing of one whose end nobody saw."""
        return self._kills.of_group

    def kills(self) -> int:
        """How often the kernel has killed since the beginning; 0 if that cannot be told. To be asked every second."""
        now = self._kills()
        if now is None:
            return 0
        if now > self._last:
            self._rose = self._monotonic()
        self._last = now
        return max(0, now - self._before)

    def just_now(self) -> bool:
        """Whether it has killed since the last look or shortly before: what was killed an hour ago was another."""
        self.kills()
        return self._rose is not None and self._monotonic() - self._rose <= NEAR


def exit_from_status(status: int, oom: bool, cpu: float | None = None, max_rss: int | None = None) -> Exit:
    """Read a wait status. SIGKILL right after the group's oom_kill counter rose is an OOM kill (cgroup-v2.rst)."""
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
