"""A runner sends the requests of one scenario: one class per kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from soak.load.pool import Request
from soak.load.wire import encode

if TYPE_CHECKING:
    from soak.load.engine import Engine, Job
    from soak.load.plan import ScenarioPlan


class Runner(Protocol):
    """Sends requests of one scenario and tells the engine how each ended."""

    def start(self, job: Job, fault: str | None) -> None:
        """Send one; never blocks and never raises."""

    def rest(self, *, final: bool) -> None:
        """The loaded part of the cycle is over: end what goes on by itself. `final`: the whole load is."""


class HttpRunner:
    """Requests of a declarative HTTP scenario, encoded once, over the shared pool."""

    def __init__(self, engine: Engine, scenario: ScenarioPlan) -> None:
        head, body = encode(engine.endpoint, scenario.method, scenario.path, scenario.headers, scenario.body)
        self._pool = engine.pool
        self._request = Request(scenario, head + body)

    def start(self, job: Job, fault: str | None) -> None:
        """Send one request."""
        self._pool.send(job, self._request)

    def rest(self, *, final: bool) -> None:
        """Nothing goes on by itself: the pool ends what is in flight."""


RUNNERS: dict[str, Callable[[Engine, ScenarioPlan], Runner]] = {"http": HttpRunner}


def make_runner(engine: Engine, scenario: ScenarioPlan) -> Runner:
    """The runner of a scenario whose kind is one of `support.SUPPORTED_KINDS`."""
    return RUNNERS[scenario.kind](engine, scenario)
