"""The keep-alive pool: connections to the target that plain HTTP scenarios share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from soak.load.http1 import Http1

if TYPE_CHECKING:
    from soak.load.accounts import Job
    from soak.load.engine import Engine
    from soak.load.plan import ScenarioPlan

_SAFE_TO_REPEAT = ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE")  # RFC 9110 section 9.2.2


class Request:
    """What a scenario sends, encoded, and what it expects."""

    __slots__ = ("bodyless", "data", "repeatable", "scenario")

    def __init__(self, scenario: ScenarioPlan, data: bytes) -> None:
        self.scenario = scenario
        self.data = data
        self.bodyless = scenario.method == "HEAD"
        self.repeatable = scenario.method in _SAFE_TO_REPEAT


class PooledConnection(Http1):
    """A connection that serves one request after the other."""

    __slots__ = ("_fd", "deadline", "job", "pool", "request", "reused")

    def __init__(self, pool: Pool, job: Job, request: Request) -> None:
        super().__init__()
        self.pool = pool
        self.job: Job | None = job
        self.request = request
        self.bodyless = request.bodyless
        self.reused = False
        self._fd = -1
        self.deadline = 0.0

    def opened(self) -> None:
        """Send the request that the connection was opened for."""
        if self.transport.get_extra_info("ssl_object") is None:
            self._fd = self.transport.get_extra_info("socket").fileno()
        self.put(self.request.data)

    def put(self, data: bytes) -> None:
        """Write, past the transport where that is possible: it would queue the bytes for another turn of the loop.

        Nothing is ever waiting in the transport here: a request is sent when the answer to the one before is complete.
        """
        sent = 0
        if self._fd >= 0:
            try:
                sent = os.write(self._fd, data)
            except OSError:  # full, or broken: the transport knows what to do
                sent = 0
        if sent < len(data):
            self.transport.write(data[sent:])

    def responded(self) -> None:
        """Count the response and go back to the pool."""
        job, self.job = self.job, None
        if job is None:  # an answer that nobody asked for: what else comes on this connection cannot be trusted
            self.broke("malformed")
        else:
            self.pool.finished(self, job)

    def broke(self, kind: str) -> None:
        """Count what broke, unless the connection was idle: servers may close those as they like."""
        job, self.job = self.job, None
        self.abort()
        self.pool.lost(self, job, kind)


class Pool:
    """Idle connections, newest first, and the busy ones in the order in which their requests began."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._landed = engine.accounts.landed
        self._timeout = engine.plan.timeout
        self._idle: list[PooledConnection] = []
        self._busy: dict[PooledConnection, None] = {}
        self._keep = True

    def send(self, job: Job, request: Request) -> None:
        """Send on an idle connection, or on a new one."""
        deadline = job.fired + self._timeout
        if self._idle and not request.bodyless:
            connection = self._idle.pop()
            connection.job = job
            connection.request = request
            connection.reused = True
            connection.deadline = deadline
            self._busy[connection] = None
            connection.put(request.data)
            return
        connection = PooledConnection(self, job, request)
        connection.deadline = deadline
        self._busy[connection] = None
        self._engine.dialler.dial(connection)

    def finished(self, connection: PooledConnection, job: Job) -> None:
        """A response arrived on `connection`."""
        status = connection.status
        retry_after = connection.retry_after if status in (429, 503) else None
        del self._busy[connection]
        if connection.keep_alive and (self._keep or job.fired >= self._engine.resumed):
            connection.expect()
            self._idle.append(connection)
        else:
            connection.close()
        self._landed(job, connection.request.scenario, status, retry_after)

    def lost(self, connection: PooledConnection, job: Job | None, kind: str) -> None:
        """`connection` is gone; `job` was on it, or None when it was idle."""
        if job is None:
            if connection in self._idle:
                self._idle.remove(connection)
            return
        self._busy.pop(connection, None)
        stale = connection.reused and not connection.answered and kind in ("closed", "reset")
        if stale and connection.request.repeatable and not job.retried:
            job.retried = True  # the server closed the idle connection while our request was on its way
            self.send(job, connection.request)
            return
        self._engine.accounts.failed(job, kind)

    def sweep(self, now: float) -> None:
        """End what has timed out."""
        late = []
        for connection in self._busy:
            if connection.deadline > now:
                break  # all requests have the same patience: those after it began later
            late.append(connection)
        for connection in late:
            connection.broke("timeout")

    def rest(self, *, close: bool) -> None:
        """The quiet phase begins: close what is idle, and what is busy as soon as its response has arrived."""
        self._keep = not close
        if close:
            idle, self._idle = self._idle, []
            for connection in idle:
                connection.close()

    def finish(self) -> None:
        """The load is over: cut off what is still in flight."""
        self.rest(close=True)
        busy, self._busy = self._busy, {}
        for connection in busy:
            job, connection.job = connection.job, None
            connection.abort()
            if job is not None:
                self._engine.accounts.cut(job)
