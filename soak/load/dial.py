"""Opens connections to the target: resolved once, tried address by address."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from soak.load.http1 import Http1
    from soak.load.wire import Endpoint

from soak.load.http1 import failure_of


class Dialler:
    """Connects `Http1` protocols to one endpoint."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._ssl = endpoint.context()
        self._addresses: list[str] = []
        self._resolving: asyncio.Task[None] | None = None

    async def resolve(self) -> None:
        """Look the host up; when that fails the old addresses (or the name itself) are used."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(self._endpoint.host, self._endpoint.port, type=socket.SOCK_STREAM)
        except OSError:
            found = []
        self._addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found)) or self._addresses

    def refresh(self) -> None:
        """Look the host up again, in the background: the target could not be reached where it was."""
        if self._resolving is None or self._resolving.done():
            self._resolving = asyncio.get_running_loop().create_task(self.resolve())

    def dial(self, connection: Http1, receive_buffer: int | None = None) -> None:
        """Connect; `connection.opened` or `connection.broke` tells how it went."""
        loop = asyncio.get_running_loop()
        connection.dialling = loop.create_task(self._connect(loop, connection, receive_buffer))

    async def _connect(self, loop: asyncio.AbstractEventLoop, connection: Http1, receive_buffer: int | None) -> None:
        error: Exception | None = None
        for address in self._addresses or [self._endpoint.host]:
            try:
                await self._connect_to(loop, connection, address, receive_buffer)
            except (OSError, ValueError) as problem:
                error = problem
            else:
                return
        if not connection.closed:
            connection.broke(failure_of(error))

    async def _connect_to(
        self, loop: asyncio.AbstractEventLoop, connection: Http1, address: str, receive_buffer: int | None
    ) -> None:
        endpoint = self._endpoint
        name = endpoint.host if endpoint.tls else None
        if receive_buffer is None:
            await loop.create_connection(
                lambda: connection, address, endpoint.port, ssl=self._ssl, server_hostname=name
            )
            return
        sock = await small_socket(loop, address, endpoint.port, receive_buffer)
        await loop.create_connection(lambda: connection, sock=sock, ssl=self._ssl, server_hostname=name)


async def small_socket(loop: asyncio.AbstractEventLoop, address: str, port: int, receive_buffer: int) -> socket.socket:
    """A connected socket with a receive buffer of so many bytes: it has to be set before the handshake."""
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await loop.sock_connect(sock, (address, port))
    except BaseException:
        sock.close()
        raise
    return sock
