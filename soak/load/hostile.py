"""Hostile clients: each does one thing to the server that real clients and networks do, and is counted as `faulted`.

Every connection is its own. When the server ends it first, the fault has done its work all the same; only a server
that cannot be reached is a failure.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

from soak.load.single import Single

if TYPE_CHECKING:
    from soak.load.accounts import Job
    from soak.load.single import Singles

LEAVE_AFTER_S = 0.05  # a server that has not answered by then is left in the middle of its work
SLOW_BUFFER = 2048  # bytes; the kernel doubles it. Small, so that the server's own buffers have to fill
SLOW_PAUSE_S = 0.1
HEADER_EVERY_S = 0.1
_NO_LINGER = struct.pack("ii", 1, 0)  # struct linger: on, 0 s; close then sends RST instead of FIN


class Hostile(Single):
    """A client that ends its request in its own way, at the latest after the request's timeout."""

    name = ""

    def opened(self) -> None:
        """Do the harm."""
        self.after(self.group.timeout, self.done)

    def responded(self) -> None:
        """The server answered: nothing more to do."""
        self.done()

    def done(self) -> None:
        """The fault has been committed."""
        answered = self.answered
        if self.leave():
            self.group.accounts.faulted(self.job, self.name, answered=answered)

    def broke(self, kind: str) -> None:
        """The server ended it: as meant. It could not be reached: a failure."""
        if not self.connected:
            super().broke(kind)
        else:
            self.done()

    def rest(self) -> None:
        """The load is over: leave."""
        self.done()


class Abandon(Hostile):
    """Goes away in the middle: of the body it uploads, else of the server's work, else of the response.

    A request with a body stops after half of it; one without is sent whole. The client leaves with the first byte of
    the response, or `LEAVE_AFTER_S` (or the scenario's `hold`) after sending.
    """

    name = "abandon"

    def opened(self) -> None:
        """Send what is to be sent, and wait for the moment to leave."""
        request, body = self.group.request, self.group.scenario.body
        self.write(request[: len(request) - len(body) // 2] if body else request)
        hold = self.group.scenario.hold
        self.after(LEAVE_AFTER_S if hold is None else hold, self.done)

    def data_received(self, data: bytes) -> None:
        """The response begins: leave."""
        self.answered = True
        self.done()


class Reset(Abandon):
    """Like `Abandon`, but the connection is reset (RST) instead of closed."""

    name = "reset"

    def done(self) -> None:
        """Reset the connection."""
        if self.sock is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        super().done()


class Timeout(Hostile):
    """Sends a request, never reads the answer, and gives up after the timeout."""

    name = "timeout"

    def opened(self) -> None:
        """Send, and stop reading."""
        self.pause_reading()
        self.write(self.group.request)
        super().opened()


class SlowReader(Hostile):
    """Reads a little every 100 ms through a small buffer, so that what the server sends piles up at the server."""

    name = "slow_reader"
    receive_buffer = SLOW_BUFFER

    def opened(self) -> None:
        """Send, then read a little at a time until the timeout."""
        self.write(self.group.request)
        self._until = self.group.accounts.now() + self.group.timeout
        self._pause()

    def data_received(self, data: bytes) -> None:
        """A piece of the response; the next one has to wait."""
        super().data_received(data)
        if not self.ended:
            self._pause()

    def responded(self) -> None:
        """The whole response was read, slowly."""
        self.done()

    def _pause(self) -> None:
        self.pause_reading()
        self.after(SLOW_PAUSE_S, self._resume)

    def _resume(self) -> None:
        self.resume_reading()
        self.after(max(0.0, self._until - self.group.accounts.now()), self.done)


class Vanish(Hostile):
    """Connects and goes without having sent a byte."""

    name = "vanish"

    def opened(self) -> None:
        """Go."""
        self.done()


class HalfRequest(Hostile):
    """Sends the first half of the request's head and then nothing more."""

    name = "half_request"

    def opened(self) -> None:
        """Send half, keep the connection."""
        head = len(self.group.request) - len(self.group.scenario.body)
        self.write(self.group.request[: head // 2])
        super().opened()


class EndlessHeaders(Hostile):
    """Sends one header every 100 ms and never finishes the head."""

    name = "endless_headers"

    def opened(self) -> None:
        """Begin a head."""
        head = self.group.request.partition(b"\r\n\r\n")[0]
        self._until = self.group.accounts.now() + self.group.timeout
        self._sent = 0
        self.write(head + b"\r\n")
        self._more()

    def _more(self) -> None:
        if self.group.accounts.now() >= self._until:
            self.done()
            return
        self._sent += 1
        self.write(b"X-Endless-%d: soak\r\n" % self._sent)
        self.after(HEADER_EVERY_S, self._more)


FAULTS: tuple[type[Hostile], ...] = (Abandon, Reset, Timeout, SlowReader, Vanish, HalfRequest, EndlessHeaders)
BY_NAME = {fault.name: fault for fault in FAULTS}


def commit(group: Singles, job: Job, fault: str) -> None:
    """Send `job` as a hostile client does."""
    BY_NAME[fault](group, job)
