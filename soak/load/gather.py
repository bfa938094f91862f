"""Sockets whose reading may wait: in an epoll of their own, read when we are awake anyway.

Most of what a request of an open loop costs is waking up, once when it is due and once for its answer. The kernel
notes when bytes arrive (SO_TIMESTAMPNS, socket(7)), so an answer may be read when the next request is due, and its
latency is as true as if it had been read at once. Many streams at once are read together in the same way. And where
answers have to be read at once, an epoll of our own costs less than the event loop's callbacks.
"""

from __future__ import annotations

import asyncio
import select
import socket
import struct
import sys
from collections.abc import Callable
from time import monotonic, time

MOST = 64  # sockets read in one go, so that the loop gets its turn
AT_ONCE_S = 0.001  # wake-ups in closer succession are too many: the next ones are put together
PAUSE_S = 0.001  # for so long
STAMP = 35  # asm-generic/socket.h; the socket module has no name for it
TIMESPEC = struct.Struct("@ll")
CHECK_S = 0.01  # how often the distance of the two clocks is checked
BLIND_S = 1.0  # after something without a stamp nothing is held for so long
_DRIFT_S = 2e-5  # between the two clocks, before their distance is measured anew

POSSIBLE = sys.platform == "linux" and hasattr(select, "epoll")
NOTES = socket.CMSG_SPACE(TIMESPEC.size) if POSSIBLE else 0  # bytes that recvmsg needs for a stamp


def stamp(sock: socket.socket) -> bool:
    """Have the kernel note when bytes arrive at a plain socket; False where it does not do so."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, STAMP, 1)
    except OSError:
        return False
    return True


class Gather:
    """Sockets that are read together; while it is not held, the event loop wakes for each of them as usual."""

    late = True  # what arrives is stamped, because it may be read late

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._readers: dict[int, Callable[[], None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._offset = 0.0  # CLOCK_REALTIME, which stamps are in, minus CLOCK_MONOTONIC
        self._check = 0.0  # when the offset is to be looked at again
        self._since = self._now = 0.0  # when all that had arrived was read before, and is read now
        self._asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # has the kernel begin with its stamps
        stamp(self._asking)
        self._sees_from = 0.0
        self.sees = True  # what arrives has a stamp
        self.held = False
        self.full = False  # there was more than could be read in one go

    def add(self, fd: int, read: Callable[[], None]) -> None:
        """Call `read` whenever there is something on `fd`, at the latest when somebody collects."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._loop.add_reader(self._epoll.fileno(), self.woken)
        self._readers[fd] = read
        self._epoll.register(fd, select.EPOLLIN)

    def discard(self, fd: int) -> None:
        """Not any more; to be called before the socket is closed."""
        if self._readers.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def fileno(self) -> int:
        """Of its epoll."""
        return self._epoll.fileno()

    def hold(self, held: bool) -> None:
        """`held`: the caller collects soon, and nothing that arrives meanwhile needs to wake the loop."""
        held = held and self.sees
        if held == self.held or self._loop is None:
            return
        self.held = held
        if held:
            self._loop.remove_reader(self._epoll.fileno())
        else:
            self._loop.add_reader(self._epoll.fileno(), self.woken)

    def collect(self) -> int:
        """Read what has arrived; from how many sockets. `full` when that may not have been all."""
        now = self._now = monotonic()
        self.check(now)
        readers = self._readers
        events = self._epoll.poll(0, MOST)
        for fd, _ in events:
            read = readers.get(fd)
            if read is not None:  # else one that was read before it has closed it
                read()
        self.full = len(events) >= MOST
        if not self.full:
            self._since = now
        return len(events)

    def collect_all(self) -> None:
        """Read all that has arrived; what comes meanwhile may be left for the next time."""
        for _ in range(len(self._readers) // MOST + 1):
            if self.collect() < MOST:
                break

    def check(self, now: float) -> None:
        """Look at the distance of the two clocks, every few milliseconds; `now` is CLOCK_MONOTONIC."""
        if now >= self._check:
            self._check = now + CHECK_S
            self.sees = now >= self._sees_from
            if not -_DRIFT_S < time() - now - self._offset < _DRIFT_S:
                self._offset = _distance()

    def moment(self, notes: list[tuple[int, int, bytes]]) -> float:
        """When something arrived that was read in this very `collect`, in CLOCK_MONOTONIC seconds.

        Whatever becomes of the wall clock: it arrived since all was read the last time, and before now. Without a stamp
        it is now; nothing is held for a while then. The kernel takes a moment to begin with stamps after it was asked.
        """
        if not notes:
            self._sees_from = self._now + BLIND_S
            self.sees = False
            self.hold(False)
            return monotonic()
        seconds, nanoseconds = TIMESPEC.unpack(notes[0][2])
        return self.between(seconds + nanoseconds * 1e-9, self._since)

    def between(self, stamp: float, earliest: float, latest: float | None = None) -> float:
        """The moment of a stamp (CLOCK_REALTIME seconds) in CLOCK_MONOTONIC seconds, and within those bounds.

        Without `latest` it is read now.
        """
        moment = stamp - self._offset
        if not earliest <= moment <= (latest or self._now):
            moment = min(max(moment, earliest), latest or monotonic())
        return moment

    def woken(self) -> None:
        """The loop says that something has arrived."""
        self.collect()

    def close(self) -> None:
        """Nothing is to be read any more."""
        if self._loop is not None:
            self._loop.remove_reader(self._epoll.fileno())
            self._loop = None
        self._readers.clear()
        self._epoll.close()
        self._asking.close()


class Prompt(Gather):
    """Sockets that are read at once: as long as there is more, without a turn of the loop for each few of them."""

    late = False

    def __init__(self) -> None:
        super().__init__()
        self.turns: Callable[[], bool] | None = None  # reads for users; False when there may be more to read

    def collect(self) -> int:
        """Read what has arrived; from how many sockets."""
        readers = self._readers
        events = self._epoll.poll(0, MOST)
        for fd, _ in events:
            read = readers.get(fd)
            if read is not None:
                read()
        return len(events)

    def woken(self) -> None:
        """The loop says that something has arrived."""
        if self.turns is not None and self.turns():
            return
        read = 0
        while read < MOST and self._loop is not None and (found := self.collect()):
            read += found


class Moderated(Gather):
    """Waits a millisecond for more when it is woken in quick succession: many streams, one event each."""

    def __init__(self) -> None:
        super().__init__()
        self._woken = 0.0

    def woken(self) -> None:
        """The loop says that something has arrived."""
        now = monotonic()
        self.collect()
        if now - self._woken < AT_ONCE_S and not self.full and self._loop is not None:
            self.hold(True)
            if self.held:
                self._loop.call_later(PAUSE_S, self._again)
        self._woken = now

    def _again(self) -> None:
        if self._loop is None or not self.held:
            return
        read = self.collect()
        if not self.held:
            return
        if self.full:
            self._loop.call_soon(self._again)
        elif read > 1:
            self._loop.call_later(PAUSE_S, self._again)
        else:
            self.hold(False)


def _distance() -> float:
    """CLOCK_REALTIME minus CLOCK_MONOTONIC: of three readings the one that was interrupted the least."""
    readings = []
    for _ in range(3):
        before = monotonic()
        wall = time()
        after = monotonic()
        readings.append((after - before, wall - (before + after) / 2))
    return min(readings)[1]
