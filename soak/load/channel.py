"""A connected socket in the event loop, plain or TLS, without a transport in between.

The loop says when the socket can be read, we read it: for TLS that is a quarter of what asyncio's own way through two
memory buffers and a second protocol costs, and plain and TLS are one path.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from typing import Any

from soak.load.gather import NOTES, Gather, stamp

READ_SIZE = 1 << 16  # bytes; not below 16 KiB, the longest TLS record: what OpenSSL keeps, the kernel cannot announce
MUCH = 1 << 14  # bytes: who sends so much at once is read at once, before the kernel's buffer is full
LINGER_S = 5.0  # how long a closed connection may take to send what was written before
RETRY_S = 0.01  # TLS wants to read before it can write (a new key): looked at again so much later

_NOT_YET = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Channel:
    """Reads when there is something, writes at once or as soon as there is room; a subclass says what it means."""

    __slots__ = (
        "_broken",
        "_closing",
        "_loop",
        "_out",
        "arrived",
        "closed",
        "connected",
        "dialling",
        "fd",
        "gather",
        "recv",
        "send",
        "sock",
    )

    def __init__(self) -> None:
        self.sock: socket.socket | None = None
        self.fd = -1
        self.dialling: asyncio.Task[None] | None = None
        self.connected = False  # it was, at some time
        self.closed = False  # by us: nothing that arrives matters any more
        self.gather: Gather | None = None  # to be read with others there; else by itself
        self.arrived = 0.0  # CLOCK_MONOTONIC of what was read last, by the kernel's clock; 0: just now
        self._broken: OSError | None = None  # what writing met: reading only finds the end after that
        self._closing = False
        self._out = bytearray()
        self._loop: asyncio.AbstractEventLoop
        self.recv: Any = None
        self.send: Any = None

    # What a subclass implements ------------------------------------------------------------------------------------

    def opened(self) -> None:
        """The connection is there."""

    def data_received(self, data: bytes) -> None:
        """Bytes arrived; never after `close` or `abort`."""

    def connection_lost(self, error: BaseException | None) -> None:
        """The connection is gone, with `error` or by the other side's end of it; never after `close` or `abort`."""

    def stuck(self) -> None:
        """What was written did not go out as a whole: the loop sends the rest."""

    # What the dialler and the loop call ----------------------------------------------------------------------------

    def adopt(self, sock: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        """Connected (and, with TLS, agreed): take the socket over."""
        self.dialling = None
        if self.closed:
            sock.close()
            return
        self.sock, self.fd, self._loop = sock, sock.fileno(), loop
        self.recv, self.send = sock.recv, sock.send
        self.connected = True
        if self.gather is not None and self.gather.late:
            if isinstance(sock, ssl.SSLSocket) or not stamp(sock):
                self.gather = None
            else:
                self.recv = sock.recvmsg
        self._listen()
        self.opened()

    def _listen(self) -> None:
        if self.gather is None:
            self._loop.add_reader(self.fd, self.readable)
        else:
            self.gather.add(self.fd, self.readable_late if self.gather.late else self.readable)

    def _ignore(self) -> None:
        if self.gather is None:
            self._loop.remove_reader(self.fd)
        else:
            self.gather.discard(self.fd)

    def readable(self) -> None:
        """The loop says that there is something to read."""
        try:
            data = self.recv(READ_SIZE)
        except OSError as error:
            if not isinstance(error, _NOT_YET):
                self.lose(error)
            return
        self.take_in(data)

    def take_in(self, data: bytes) -> None:
        """What was read."""
        if data:
            self.data_received(data)
        else:
            self.lose(None)

    def readable_late(self) -> None:
        """There has been something to read for a while: when it arrived is noted with it."""
        try:
            data, notes, _, _ = self.recv(READ_SIZE, NOTES)
        except OSError as error:
            if not isinstance(error, _NOT_YET):
                self.lose(error)
            return
        self.take_late(data, notes)

    def take_late(self, data: bytes, notes: list[tuple[int, int, bytes]]) -> None:
        """What was read, with the kernel's note of when it arrived."""
        gather = self.gather
        if not data or gather is None:
            self.arrived = 0.0
            self.lose(None)
            return
        self.arrived = gather.moment(notes)
        if len(data) >= MUCH:  # a sender must not wait for us
            self.alone()
        self.data_received(data)
        if self.gather is None:
            self.arrived = 0.0

    def alone(self) -> None:
        """From now on it is read by itself, and at once."""
        if self.gather is not None and self.sock is not None:
            self.gather.discard(self.fd)
            self.gather = None
            self.recv = self.sock.recv
            self._listen()

    @property
    def moment(self) -> float:
        """When what was read last arrived, in CLOCK_MONOTONIC seconds; to be asked in `data_received`."""
        return self.arrived or time.monotonic()

    def lose(self, error: BaseException | None) -> None:
        """The socket has come to its end: reading met `error`, or nothing more comes."""
        if self.sock is not None:
            self.drop()
            if not self.closed:
                self.connection_lost(error or self._broken)

    def drop(self) -> None:
        """Let go of the socket."""
        sock, self.sock = self.sock, None
        if sock is not None:
            self._ignore()
            self._loop.remove_writer(self.fd)
            self._out.clear()
            self.recv = self.send = None  # the socket's own methods: a circle
            sock.close()

    # What a subclass calls -----------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send, what does not fit now as soon as there is room; a broken connection is told of later, as a loss."""
        if self.sock is None:
            return
        if self._out:
            self._out += data
            return
        try:
            sent = self.send(data)
        except _NOT_YET:
            sent = 0
        except OSError as error:
            self._broken = error
            self._loop.call_soon(self.lose, error)
            return
        if sent < len(data):
            self.unsent(data[sent:])

    def unsent(self, rest: bytes) -> None:
        """So much of what was written did not fit: it goes out as soon as there is room."""
        self._out += rest
        self._loop.add_writer(self.fd, self._writable)
        self.stuck()

    def _writable(self) -> None:
        if self.sock is None:
            return
        try:
            del self._out[: self.send(self._out)]
        except ssl.SSLWantReadError:
            self._loop.remove_writer(self.fd)
            self._loop.call_later(RETRY_S, self._writable)
            return
        except _NOT_YET:
            return
        except OSError as error:
            self.lose(error)
            return
        if self._out:
            self._loop.add_writer(self.fd, self._writable)
            return
        self._loop.remove_writer(self.fd)
        if self._closing:
            self._part()

    def pause_reading(self) -> None:
        """Leave what arrives in the kernel, until its buffers are full."""
        if self.sock is not None:
            self._ignore()

    def resume_reading(self) -> None:
        """Read again."""
        if self.sock is not None and not self.closed:
            self._listen()

    def close(self) -> None:
        """Close in good order, after what was written; the subclass hears nothing more."""
        self.closed = True
        if self.sock is None:
            self._hang_up()
        elif self._out:
            self._closing = True
            self._ignore()
            self._loop.call_later(LINGER_S, self.drop)
        else:
            self._part()

    def _part(self) -> None:
        if isinstance(self.sock, ssl.SSLSocket):
            with contextlib.suppress(OSError, ValueError):
                self.sock.unwrap()  # sends close_notify; the other side's is not waited for
        self.drop()

    def abort(self) -> None:
        """Drop the connection without waiting for what is still to be written."""
        self.closed = True
        self._hang_up()
        self.drop()

    def _hang_up(self) -> None:
        if self.dialling is not None:
            self.dialling.cancel()
