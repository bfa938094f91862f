"""The connections of plain requests where HTTP/2 is spoken; what a server does not want falls back to HTTP/1.1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soak.load.http2 import ALPN, Exchange, Http2
from soak.load.pool import Pool

if TYPE_CHECKING:
    from soak.load.accounts import Job
    from soak.load.engine import Engine
    from soak.load.pool import Request


class _Negotiated(Http2):
    """Offers both protocols: the server chooses."""

    __slots__ = ()

    alpn = (ALPN, "http/1.1")


class Pool2:
    """As few connections as the server's limit of streams allows.

    With `http2 = "on"` a server that does not agree is a `no_http2` error; with `"auto"` its first answer to the offer
    of both decides, and from then on all requests go through an HTTP/1.1 pool.
    """

    gather = None  # what is read late is read from plain sockets

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._timeout = engine.plan.timeout
        self._kind = _Negotiated if engine.plan.http2 == "auto" else Http2
        self._plain: Pool | None = None
        self._connections: list[Http2] = []
        self._keep = True
        engine.dialler.offer(self._kind.alpn)

    def send(self, job: Job, request: Request) -> None:
        """Send on the first connection with room, or on a new one."""
        if self._plain is not None:
            self._plain.send(job, request)
        else:
            self.start(Exchange(job, request, job.fired + self._timeout, request.scenario.body))

    def patient(self, now: float) -> bool:
        """May answers wait for a moment before they are read?"""
        return False

    def start(self, exchange: Exchange) -> None:
        """Begin it where there is room."""
        for connection in self._connections:
            if connection.room > 0:
                connection.start(exchange)
                return
        connection = self._kind(self)
        connection.start(exchange)
        self._connections.append(connection)
        self._engine.dialler.dial(connection)

    # What connections call -----------------------------------------------------------------------------------------

    def landed(self, exchange: Exchange) -> None:
        """A whole response arrived."""
        accounts = self._engine.accounts
        accounts.landed(exchange.job, exchange.request.scenario, exchange.status, exchange.retry_after)

    def failed(self, exchange: Exchange, kind: str) -> None:
        """No response will come."""
        self._engine.accounts.failed(exchange.job, kind)

    def again(self, exchange: Exchange, kind: str = "closed") -> None:
        """The server has not looked at it: send it once more; the second time it is a failure."""
        if exchange.job.retried:
            self.failed(exchange, kind)
            return
        exchange.job.retried = True
        exchange.body = exchange.request.scenario.body
        self.start(exchange)

    def lost(self, connection: Http2, kind: str) -> None:
        """A connection is gone; reads that had no answer are sent again if it had worked before."""
        self._forget(connection)
        worked = connection.connected and kind in ("closed", "reset")
        for exchange in connection.take():
            if worked and exchange.request.repeatable and not exchange.answered and not exchange.job.retried:
                self.again(exchange)
            else:
                self.failed(exchange, kind)

    def no_http2(self, connection: Http2) -> None:
        """The server chose HTTP/1.1."""
        self._forget(connection)
        connection.abort()
        if self._kind is _Negotiated and self._plain is None:
            self._plain = Pool(self._engine)
            self._plain.rest(close=not self._keep)
        for exchange in connection.take():
            if self._plain is None:
                self.failed(exchange, "no_http2")
            else:
                self._plain.send(exchange.job, exchange.request)

    def settled(self, connection: Http2) -> None:
        """What has arrived was looked at: is the connection still of use?"""
        wanted = self._keep or self._engine.now() >= self._engine.resumed
        if connection.idle and (connection.retired or not wanted):
            self._forget(connection)
            connection.leave()

    def _forget(self, connection: Http2) -> None:
        if connection in self._connections:
            self._connections.remove(connection)

    # What the engine calls -----------------------------------------------------------------------------------------

    def sweep(self, now: float) -> None:
        """End what has timed out."""
        for connection in list(self._connections):
            connection.sweep(now)
        if self._plain is not None:
            self._plain.sweep(now)

    def rest(self, *, close: bool) -> None:
        """The quiet phase begins: close what is idle, and what is busy as soon as it is idle."""
        self._keep = not close
        if self._plain is not None:
            self._plain.rest(close=close)
        if close:
            for connection in [one for one in self._connections if one.idle]:
                self._forget(connection)
                connection.leave()

    def finish(self) -> None:
        """The load is over: cut off what is still in flight."""
        self.rest(close=True)
        if self._plain is not None:
            self._plain.finish()
        connections, self._connections = self._connections, []
        for connection in connections:
            for exchange in connection.take():
                self._engine.accounts.cut(exchange.job)
            connection.leave()
