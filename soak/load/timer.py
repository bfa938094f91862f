"""One-shot alarms by absolute time: a timerfd where there is one, the loop's own timers elsewhere.

epoll and libuv round timers to milliseconds; a timerfd becomes readable at the nanosecond asked for
(timerfd_create(2)). Python has it from 3.13 on; before, libc is called directly.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import sys
import time
from collections.abc import Callable
from typing import Protocol

_TFD_TIMER_ABSTIME = 1
_PR_SET_TIMERSLACK = 29
_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC  # TFD_NONBLOCK and TFD_CLOEXEC have these values


def precise() -> None:
    """Have sleeps of this thread end when they should, and not up to 50 us later (PR_SET_TIMERSLACK, prctl(2))."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)  # 1 ns; where it is refused, sleeps are less precise


class Alarm(Protocol):
    """Calls its callback once at, or just after, the absolute monotonic time it was set to."""

    def set(self, when: float) -> None:
        """Ring at `when` (CLOCK_MONOTONIC seconds) instead of any earlier setting; at once if that is past."""

    def close(self) -> None:
        """Never ring again."""


class TimerFd:
    """An alarm on a Linux timerfd; OSError where the kernel has none."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = libc.timerfd_create(time.CLOCK_MONOTONIC, _FLAGS)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        # Called for each arrival, and never waits: keeps the interpreter's lock, and its arguments are made once
        self._settime = ctypes.PyDLL(None).timerfd_settime
        self._arguments = ctypes.c_int(self._fd), ctypes.c_int(_TFD_TIMER_ABSTIME)
        self._spec = (ctypes.c_long * 4)()  # struct itimerspec: interval s, ns; value s, ns
        self._loop = loop
        self._ring = ring
        self._rang = False
        loop.add_reader(self._fd, self._readable)

    def set(self, when: float) -> None:
        """Ring at `when`; a time of zero would disarm, so the past is one nanosecond after boot."""
        self._rang = False
        seconds = int(when)
        self._spec[2] = seconds
        self._spec[3] = int((when - seconds) * 1e9) if when > 0 else 1
        self._settime(*self._arguments, self._spec, None)

    def close(self) -> None:
        """Never ring again."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _readable(self) -> None:
        self._rang = True
        self._ring()
        if self._rang:  # not set anew, which would have made the descriptor unreadable: do it by reading
            self._rang = False
            with contextlib.suppress(BlockingIOError):
                os.read(self._fd, 8)


class LoopAlarm:
    """An alarm on the event loop's own timers: millisecond precision, everywhere."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._handle: asyncio.TimerHandle | None = None

    def set(self, when: float) -> None:
        """Ring at `when`."""
        self.close()
        self._handle = self._loop.call_later(max(0.0, when - time.monotonic()), self._ring)

    def close(self) -> None:
        """Never ring again."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


def alarm(loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> Alarm:
    """The most precise alarm that this machine has."""
    if sys.platform == "linux":
        try:
            return TimerFd(loop, ring)
        except (OSError, AttributeError):  # an old kernel, or a libc without the call
            pass
    return LoopAlarm(loop, ring)
