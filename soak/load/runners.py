"""A runner sends the requests of one scenario: one class per kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from soak.load.external import ExternalRunner
from soak.load.hostile import commit
from soak.load.pool import Request
from soak.load.single import Singles
from soak.load.sse_stream import SseStream
from soak.load.stream import Stream
from soak.load.websocket import WebSocketStream, upgrade_headers
from soak.load.wire import encode, fields

if TYPE_CHECKING:
    from soak.load.accounts import Job
    from soak.load.engine import Engine
    from soak.load.plan import ScenarioPlan


class Runner(Protocol):
    """Sends requests of one scenario and tells the accounts how each ended."""

    def start(self, job: Job, fault: str | None) -> None:
        """Send one; never blocks and never raises."""

    def rest(self) -> None:
        """The loaded part of the cycle is over: end what goes on by itself."""

    async def finish(self) -> None:
        """The whole load is over and `rest` was called: wait until everything is accounted for."""


class HttpRunner:
    """Requests of a declarative HTTP scenario, encoded once, over the shared pool."""

    def __init__(self, engine: Engine, scenario: ScenarioPlan) -> None:
        head, body = encode(engine.endpoint, scenario.method, scenario.path, scenario.headers, scenario.body)
        self._pool = engine.pool
        values = (scenario.method, scenario.path, scenario.headers, scenario.body)
        self.request = Request(scenario, head + body, fields(engine.endpoint, *values))
        self._hostile = _singles(engine, scenario, head + body)

    def start(self, job: Job, fault: str | None) -> None:
        """Send one request, well-behaved or not."""
        if fault is None:
            self._pool.send(job, self.request)
        else:
            commit(self._hostile, job, fault)

    def rest(self) -> None:
        """Hostile clients leave; the pool ends the others."""
        self._hostile.rest()

    async def finish(self) -> None:
        """Nothing takes time."""


class StreamRunner:
    """Streams of one scenario, each on a connection of its own."""

    def __init__(self, engine: Engine, scenario: ScenarioPlan, stream: type[Stream], headers: dict[str, str]) -> None:
        head, body = encode(engine.endpoint, scenario.method, scenario.path, headers, scenario.body)
        self.group = _singles(engine, scenario, head + body)
        self._stream = stream

    def start(self, job: Job, fault: str | None) -> None:
        """Open one stream, or commit one fault."""
        if fault is None or fault == "abandon":
            self._stream(self.group, job, abandon=fault is not None)
        else:
            commit(self.group, job, fault)

    def rest(self) -> None:
        """All streams end."""
        self.group.rest()

    async def finish(self) -> None:
        """Nothing takes time."""


def _singles(engine: Engine, scenario: ScenarioPlan, request: bytes) -> Singles:
    return Singles(scenario, request, engine.accounts, engine.dialler, engine.plan.timeout, engine.streams)


def _sse(engine: Engine, scenario: ScenarioPlan) -> Runner:
    headers = {"Accept": "text/event-stream", "Cache-Control": "no-store", **scenario.headers}
    return StreamRunner(engine, scenario, SseStream, headers)


def _websocket(engine: Engine, scenario: ScenarioPlan) -> Runner:
    return StreamRunner(engine, scenario, WebSocketStream, upgrade_headers(scenario))


def _python(engine: Engine, scenario: ScenarioPlan) -> Runner:
    from soak.load.scripted import ScriptedRunner  # brings httpx, which the other kinds do without

    return ScriptedRunner(engine, scenario)


def _grpc(engine: Engine, scenario: ScenarioPlan) -> Runner:
    from soak.load.grpc_calls import GrpcRunner  # an extra

    return GrpcRunner(engine, scenario)


RUNNERS: dict[str, Callable[[Engine, ScenarioPlan], Runner]] = {
    "http": HttpRunner,
    "sse": _sse,
    "websocket": _websocket,
    "python": _python,
    "grpc": _grpc,
    "locust": ExternalRunner,
    "command": ExternalRunner,
}


def make_runner(engine: Engine, scenario: ScenarioPlan) -> Runner:
    """The runner of a scenario whose kind is one of `support.SUPPORTED_KINDS`."""
    return RUNNERS[scenario.kind](engine, scenario)
