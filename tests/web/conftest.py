"""The web part on a free port, over a real store with a leaky run in it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from soak.config import Web
from soak.report.compute import compute
from soak.standing import Standing
from soak.web.server import WebPart
from soak_storage import Store, open_store
from soak_storage.records import AnalysisRow, RunStart
from tests.common import PATIENCE_S
from tests.report.runs import MB, Plan, make_run


@dataclass
class Served:
    """A web part that answers, and the store behind it."""

    part: WebPart
    store: Store
    standing: Standing
    form: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def ask(
        self, path: str, method: str = "GET", body: str | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.part.port, timeout=4 * PATIENCE_S)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, {**self.headers, **named})
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def json(self, path: str) -> Any:
        """What a page is given."""
        status, _, body = self.ask(path, Connection="close")
        assert status == 200, body
        return json.loads(body)

    @property
    def origin(self) -> str:
        """As a browser names it."""
        return f"http://127.0.0.1:{self.part.port}"


Serve = Callable[..., Served]


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store for the pages: each test adds runs of its own."""
    with open_store(f"sqlite:///{tmp_path_factory.mktemp('store') / 'soak.db'}") as opened:
        yield opened


@pytest.fixture(scope="session")
def leaky(store: Store) -> int:
    """A run that leaks at app.py:57, judged."""
    return judged(store, Plan(heap_growth=2 * MB, version="f0e1d2c3b4a5968778695a4b3c2d1e0f"))


@pytest.fixture
def serve(store: Store) -> Iterator[Serve]:
    """Starts a web part on a free port."""
    parts: list[WebPart] = []

    def start(listen: str = "127.0.0.1:0", token: str | None = None, behind: Store = store) -> Served:
        standing = Standing("orders-api")
        part = WebPart(standing, Web(listen=listen, token=token), behind, behind.url)
        part.initialize()
        parts.append(part)
        return Served(part, behind, standing)

    yield start
    for part in parts:
        part.shutdown()


def judged(store: Store, plan: Plan, name: str = "orders-api") -> int:
    """Store a run as `plan` says with its report."""
    run = make_run(store, plan, name)
    store.write(run, [AnalysisRow(plan.ran * plan.cycle_seconds, compute(store, run), None)])
    return run


def running(store: Store, name: str = "live") -> int:
    """A run that goes on, with nothing in it yet."""
    return store.begin_run(RunStart(name, "box", 1_800_000_000.0, "0", 60.0, 9.0, 4, {}))
