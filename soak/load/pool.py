"""The keep-alive pool: connections to the target that plain HTTP scenarios share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from soak.load import gather
from soak.load.accounts import PUSH_BACK
from soak.load.heads import Answer, Heads
from soak.load.http1 import Http1

if TYPE_CHECKING:
    from collections.abc import Iterator

    from soak.load.accounts import Job
    from soak.load.engine import Engine
    from soak.load.plan import ScenarioPlan
    from soak.load.pool2 import Pool2
    from soak.load.wire import Fields

EAGER_S = 60.0  # after an answer that came in pieces all are read at once: the server may be waiting for us
_SAFE_TO_REPEAT = ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE")  # RFC 9110 section 9.2.2


class Request:
    """What a scenario sends, encoded, and what it expects."""

    __slots__ = ("bodyless", "data", "fields", "heads", "quick", "repeatable", "scenario")

    def __init__(self, scenario: ScenarioPlan, data: bytes, fields: Fields = ()) -> None:
        self.scenario = scenario
        self.data = data
        self.fields = fields  # for HTTP/2
        self.heads = Heads()
        self.bodyless = scenario.method == "HEAD"
        self.repeatable = scenario.method in _SAFE_TO_REPEAT
        self.quick = self.repeatable and not self.bodyless  # any idle connection will do


class PooledConnection(Http1):
    """A connection that serves one request after the other."""

    __slots__ = ("deadline", "job", "pool", "request", "reused")

    def __init__(self, pool: Pool, job: Job, request: Request) -> None:
        super().__init__()
        self.pool = pool
        self.gather = pool.gather
        self.job: Job | None = job
        self.request = request
        self.bodyless = request.bodyless
        self.reused = False
        self.deadline = 0.0

    @property
    def free(self) -> bool:
        """All that was written has gone out, and what comes is read together with others."""
        return self.gather is not None and not self._out

    @property
    def waits(self) -> bool:
        """Its request has gone out, and nothing of the answer has come."""
        return self.job is not None and self.free and not self.answered

    def opened(self) -> None:
        """Send the request that the connection was opened for."""
        self.pool.opening.discard(self)
        self.write(self.request.data)

    def data_received(self, data: bytes) -> None:
        """Most answers come in one piece with a head that is known: those need no parser."""
        job = self.job
        if job is not None and not self.answered:
            heads = self.request.heads
            alike = len(data) == heads.size and data.startswith(heads.head)
            answer = heads.answer if alike else heads.recall(data)
            if answer is not None:
                self.job = None
                self.pool.finished(self, job, answer)
                return
        super().data_received(data)

    def _partial(self, data: bytes) -> None:
        self.pool.hurry(EAGER_S)
        super()._partial(data)

    def stuck(self) -> None:
        """Called by the channel."""
        self.pool.hurry(EAGER_S)

    def alone(self) -> None:
        """Called by the channel: the answers are large."""
        self.pool.hurry(math.inf)
        super().alone()

    def responded(self) -> None:
        """Count the response and go back to the pool."""
        job, self.job = self.job, None
        if job is None:  # an answer that nobody asked for: what else comes on this connection cannot be trusted
            self.broke("malformed")
            return
        kept = self.keep_alive and not self.bodyless  # only HEADs could be sent on it, and those have their own
        answer = (self.status, kept, self.retry_after if self.status in PUSH_BACK else None)
        if not (self.surplus or self.bodyless):
            self.request.heads.learn(self.head, answer)
        self.expect()
        self.pool.finished(self, job, answer)

    def broke(self, kind: str) -> None:
        """Count what broke, unless the connection was idle: servers may close those as they like."""
        job, self.job = self.job, None
        self.abort()
        self.pool.lost(self, job, kind)


def make_pool(engine: Engine) -> Pool | Pool2:
    """The pool of the protocol that the plan asks for."""
    if engine.plan.http2 == "off" or (engine.plan.http2 == "auto" and not engine.endpoint.tls):
        return Pool(engine)
    from soak.load.pool2 import Pool2  # brings h2, which HTTP/1.1 does without

    return Pool2(engine)


def _gather(engine: Engine) -> gather.Gather | None:
    """How the pool's sockets are read: when users wait at once, else late where that is possible."""
    if not gather.POSSIBLE:
        return None
    if not engine.plan.open:
        return gather.Prompt()
    return None if engine.endpoint.tls else gather.Gather()


class Pool:
    """All connections of the plain scenarios; those that are idle also newest first."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._landed = engine.accounts.landed
        self._timeout = engine.plan.timeout
        self.idle: list[PooledConnection] = []  # newest last
        self._all: set[PooledConnection] = set()
        self._keep = True
        self.opening: set[PooledConnection] = set()  # those that are dialled
        self.eager_until = 0.0
        self.gather = _gather(engine)
        self._late = self.gather if self.gather is not None and self.gather.late else None

    def hurry(self, seconds: float) -> None:
        """For so long everything is read, and written, as soon as it can be."""
        if self.gather is not None:
            self.eager_until = max(self.eager_until, self._engine.now() + seconds)
            self.gather.hold(False)

    def patient(self, now: float) -> bool:
        """May answers wait for a moment before they are read?"""
        together = self.gather is not None and self.gather.late and self.gather.sees
        return together and now >= self.eager_until and not self.opening

    def send(self, job: Job, request: Request) -> None:
        """Send on an idle connection, or on a new one."""
        deadline = job.fired + self._timeout
        if self._late is not None and not request.repeatable:
            self._late.collect()  # it is not sent again: not on a connection that the server has closed by now
        if self.idle and not (request.bodyless or job.retried):  # where one was stale, others are
            connection = self.idle.pop()
            connection.job = job
            connection.request = request
            connection.reused = True
            connection.deadline = deadline
            connection.write(request.data)
            return
        connection = PooledConnection(self, job, request)
        connection.deadline = deadline
        self._all.add(connection)
        self.opening.add(connection)
        self._engine.dialler.dial(connection)

    def waiting(self) -> Iterator[PooledConnection]:
        """Connections whose request has gone out, and of whose answer nothing has come."""
        return (one for one in self._all if one.waits)

    def busy(self, connection: PooledConnection, request: Request, job: Job) -> None:
        """`connection` was idle, and the request was sent for `job`."""
        connection.job = job
        connection.request = request
        connection.reused = True
        connection.deadline = job.fired + self._timeout

    def finished(self, connection: PooledConnection, job: Job, answer: Answer) -> None:
        """A response arrived on `connection`."""
        status, keep, retry_after = answer
        if keep and (self._keep or job.fired >= self._engine.resumed):
            self.idle.append(connection)
        else:
            self._all.discard(connection)
            connection.close()
        self._landed(job, connection.request.scenario, status, retry_after, connection.arrived)

    def lost(self, connection: PooledConnection, job: Job | None, kind: str) -> None:
        """`connection` is gone; `job` was on it, or None when it was idle."""
        self._all.discard(connection)
        self.opening.discard(connection)
        if job is None:
            if connection in self.idle:
                self.idle.remove(connection)
            return
        stale = connection.reused and not connection.answered and kind in ("closed", "reset")
        if stale and connection.request.repeatable and not job.retried:
            job.retried = True  # the server closed the idle connection while our request was on its way
            self.send(job, connection.request)
            return
        self._engine.accounts.failed(job, kind)

    def sweep(self, now: float) -> None:
        """End what has timed out."""
        for connection in [one for one in self._all if one.job is not None and one.deadline <= now]:
            connection.broke("timeout")

    def rest(self, *, close: bool) -> None:
        """The quiet phase begins: close what is idle, and what is busy as soon as its response has arrived."""
        self._keep = not close
        if close:
            idle, self.idle = self.idle, []
            for connection in idle:
                self._all.discard(connection)
                connection.close()

    def finish(self) -> None:
        """The load is over: cut off what is still in flight."""
        self.rest(close=True)
        busy, self._all = self._all, set()
        for connection in busy:
            job, connection.job = connection.job, None
            connection.abort()
            if job is not None:
                self._engine.accounts.cut(job)
        if self.gather is not None:
            self.gather.close()
