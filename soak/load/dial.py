"""Opens connections to the target: resolved once, tried address by address."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from soak.load.wire import Endpoint

from soak.load.http1 import failure_of
from soak.load.peer import Peer


class Dialler:
    """Connects channels to one endpoint."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._contexts: dict[tuple[str, ...], ssl.SSLContext | None] = {}  # by what is offered
        self.offer(Peer.alpn)
        self._addresses: list[tuple[int, Any]] = []  # family and socket address
        self._resolving: asyncio.Task[None] | None = None

    async def resolve(self) -> None:
        """Look the host up; when that fails the old addresses are used."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(self._endpoint.host, self._endpoint.port, type=socket.SOCK_STREAM)
        except OSError:
            found = []
        self._addresses = list(dict.fromkeys((entry[0], entry[4]) for entry in found)) or self._addresses

    def refresh(self) -> None:
        """Look the host up again, in the background: the target could not be reached where it was."""
        if self._resolving is None or self._resolving.done():
            self._resolving = asyncio.get_running_loop().create_task(self.resolve())

    def dial(self, connection: Peer, receive_buffer: int | None = None) -> None:
        """Connect; `connection.opened` or `connection.broke` tells how it went.

        `receive_buffer`: bytes that the kernel may hold for it; None: as usual.
        """
        loop = asyncio.get_running_loop()
        connection.dialling = loop.create_task(self._connect(loop, connection, receive_buffer))

    async def _connect(self, loop: asyncio.AbstractEventLoop, connection: Peer, receive_buffer: int | None) -> None:
        tls = self._contexts[connection.alpn]
        error: Exception = OSError(errno.EHOSTUNREACH, "the host has no address")
        for family, address in self._addresses:
            try:
                sock = socket.socket(family, socket.SOCK_STREAM)
            except OSError as problem:  # no descriptor is left
                error = problem
                continue
            try:
                await _connected(loop, sock, address, receive_buffer)
                if tls is not None:
                    sock = await _agreed(loop, sock, tls, self._endpoint.host)
            except (OSError, ValueError) as problem:
                sock.close()
                error = problem
            except BaseException:  # cancelled: nobody wants the connection any more
                sock.close()
                raise
            else:
                connection.adopt(sock, loop)
                return
        if not connection.closed:
            connection.broke(failure_of(error))

    def offer(self, alpn: tuple[str, ...]) -> None:
        """Make TLS settings that offer these protocols; before the load, because authorities take long to read."""
        self._contexts[alpn] = self._endpoint.context(alpn)


async def _connected(
    loop: asyncio.AbstractEventLoop, sock: socket.socket, address: Any, receive_buffer: int | None
) -> None:
    """Connect `sock` without blocking; the size of its buffer counts from the first packet on, so it is set before."""
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    code = sock.connect_ex(address)
    if code == errno.EINPROGRESS:
        await _ready(loop.add_writer, loop.remove_writer, sock.fileno())
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


async def _agreed(
    loop: asyncio.AbstractEventLoop, sock: socket.socket, context: ssl.SSLContext, host: str
) -> ssl.SSLSocket:
    """The TLS handshake over a connected socket; ssl.SSLError when the two cannot agree."""
    tls = context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
    try:
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                await _ready(loop.add_reader, loop.remove_reader, tls.fileno())
            except ssl.SSLWantWriteError:
                await _ready(loop.add_writer, loop.remove_writer, tls.fileno())
            else:
                return tls
    except BaseException:
        tls.close()
        raise


async def _ready(add: Callable[..., None], remove: Callable[[int], bool], fd: int) -> None:
    """Wait until `fd` can be read or written."""
    waiting = asyncio.get_running_loop().create_future()
    add(fd, _wake, waiting)
    try:
        await waiting
    finally:
        remove(fd)


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
