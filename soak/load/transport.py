"""An httpx transport on our own core: what scripted scenarios send costs a fraction of stock httpx.

Only the target itself is spoken to this way; a scenario that calls other hosts gets stock httpx for those.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import httpx

from soak.load.http1 import NO_SOCKET, Http1

if TYPE_CHECKING:
    from soak.load.dial import Dialler
    from soak.load.engine import Engine
    from soak.load.wire import Endpoint

HIGH_WATER = 1 << 20  # bytes of a streamed body that wait for the scenario before reading pauses
_REPEATABLE = ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE")  # RFC 9110, section 9.2.2
_ERRORS: dict[str, type[httpx.TransportError]] = {
    "timeout": httpx.ReadTimeout,
    "refused": httpx.ConnectError,
    "connection": httpx.ConnectError,
    "tls": httpx.ConnectError,
    NO_SOCKET: httpx.ConnectError,
    "reset": httpx.ReadError,
    "closed": httpx.RemoteProtocolError,
    "malformed": httpx.RemoteProtocolError,
}
FAILURES = frozenset(_ERRORS)


def error_of(kind: str, request: httpx.Request) -> httpx.TransportError:
    """The httpx exception for a failure of ours; its text is the kind."""
    return _ERRORS[kind](kind, request=request)


class CoreTransport(httpx.AsyncBaseTransport):
    """Keep-alive connections of one worker, shared by all calls of a scenario."""

    def __init__(self, engine: Engine) -> None:
        self._endpoint: Endpoint = engine.endpoint
        self._dialler: Dialler = engine.dialler
        self._timeout = engine.plan.timeout
        self._idle: list[_Connection] = []
        self._elsewhere: httpx.AsyncHTTPTransport | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Called by httpx."""
        if not self._ours(request.url):
            return await self._abroad().handle_async_request(request)
        data = encode(request, await request.aread())
        stale = bool(self._idle)
        connection = self._idle.pop() if stale else _Connection(self)
        try:
            return await connection.exchange(data, request, self._patience(request), new=not stale)
        except httpx.TransportError as error:
            if not (stale and not connection.answered and request.method in _REPEATABLE and str(error) != "timeout"):
                raise
        return await _Connection(self).exchange(data, request, self._patience(request), new=True)

    def _ours(self, url: httpx.URL) -> bool:
        endpoint = self._endpoint
        scheme = "https" if endpoint.tls else "http"
        return url.scheme == scheme and url.host == endpoint.host and (url.port or _default(scheme)) == endpoint.port

    def _abroad(self) -> httpx.AsyncHTTPTransport:
        if self._elsewhere is None:
            self._elsewhere = httpx.AsyncHTTPTransport()
        return self._elsewhere

    def _patience(self, request: httpx.Request) -> float:
        wanted = request.extensions.get("timeout", {}).get("read")
        return self._timeout if wanted is None else float(wanted)

    def dial(self, connection: _Connection) -> None:
        """Connect."""
        self._dialler.dial(connection)

    def give_back(self, connection: _Connection) -> None:
        """The connection may serve the next request."""
        self._idle.append(connection)

    def forget(self, connection: _Connection) -> None:
        """It is gone."""
        if connection in self._idle:
            self._idle.remove(connection)

    def close_idle(self) -> None:
        """The quiet part begins."""
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


class _Connection(Http1):
    """One connection; hands out the head of a response as soon as it is there, and its body piece by piece."""

    def __init__(self, transport: CoreTransport) -> None:
        super().__init__()
        self.owner = transport
        self.headers: list[tuple[bytes, bytes]] = []
        self.chunks: list[bytes] = []
        self.failure = ""
        self._data = b""
        self._waiting: asyncio.Future[None] | None = None
        self._paused = False

    async def exchange(self, data: bytes, request: httpx.Request, timeout: float, *, new: bool) -> httpx.Response:
        """Send a request and wait for the head of its response; httpx.TransportError when none comes."""
        self.expect()
        self.headers, self.chunks, self.bodyless = [], [], request.method == "HEAD"
        if new:
            self._data = data
            self.owner.dial(self)
        else:
            self.write(data)
        timer = asyncio.get_running_loop().call_later(timeout, self.broke, "timeout")
        try:
            while not (self.complete or self.head_complete or self.failure):
                await self._wait()
        except BaseException:  # the scenario was cancelled: the answer has no reader any more
            self.abort()
            raise
        finally:
            timer.cancel()
        if self.failure:
            raise error_of(self.failure, request)
        if self.complete:
            status, headers, content = self.status, self.headers, b"".join(self.take())
            self.release()
            return httpx.Response(status, headers=headers, content=content, request=request)
        return httpx.Response(self.status, headers=self.headers, stream=_Body(self, request), request=request)

    async def _wait(self) -> None:
        self._waiting = asyncio.get_running_loop().create_future()
        await self._waiting

    async def more(self) -> None:
        """Wait until there is more of the body, or its end."""
        if self._paused:
            self._paused = False
            self.resume_reading()
        await self._wait()

    def take(self) -> list[bytes]:
        """What has arrived of the body."""
        chunks, self.chunks = self.chunks, []
        return chunks

    def opened(self) -> None:
        """Connected: send what is waiting."""
        self.write(self._data)
        self._data = b""

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        if not self.complete:
            self.headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self.chunks.append(body)

    def data_received(self, data: bytes) -> None:
        """Called by the channel; a body that nobody reads makes the server wait."""
        super().data_received(data)
        if self.closed or self.complete:
            return
        if not self._paused and sum(map(len, self.chunks)) > HIGH_WATER and self.head_complete:
            self._paused = True
            self.pause_reading()
        self._wake()

    def responded(self) -> None:
        """The whole response is here: whoever waits for it takes it, and then lets go of the connection."""
        self._wake()

    def release(self) -> None:
        """Its response was read, or is not wanted: it may serve the next request, if it may serve one at all.

        Not before: the next request would begin while somebody still reads the answer to this one.
        """
        if self.closed:
            return
        if not self.complete:
            self.abort()
        elif self.keep_alive:
            self.owner.give_back(self)
        else:
            self.close()

    def broke(self, kind: str) -> None:
        """It failed, or an idle one was closed by the server."""
        if not self.complete:
            self.failure = kind
        self.owner.forget(self)
        self.abort()
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)


class _Body(httpx.AsyncByteStream):
    """The body of a response that is still coming."""

    def __init__(self, connection: _Connection, request: httpx.Request) -> None:
        self._connection: _Connection | None = connection
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        connection = self._connection
        while connection is not None:
            for chunk in connection.take():
                yield chunk
            if connection.chunks:
                continue
            if connection.failure:
                raise error_of(connection.failure, self._request)
            if connection.complete:
                return
            await connection.more()

    async def aclose(self) -> None:
        """The scenario has seen enough."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.release()


def encode(request: httpx.Request, body: bytes) -> bytes:
    """The request as bytes; httpx has set Host, lengths and the rest."""
    lines = [b"%s %s HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path)]
    chunked = False
    for name, value in request.headers.raw:
        if name.lower() == b"transfer-encoding":
            chunked = True  # the body is complete by now: its length is known
        else:
            lines.append(b"%s: %s" % (name, value))
    if chunked:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _default(scheme: str) -> int:
    return 443 if scheme == "https" else 80
