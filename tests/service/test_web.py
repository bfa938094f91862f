"""The web part for real: /metrics, /health and /api/status over HTTP, and who is refused."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from soak.config import Web
from soak.errors import SoakError
from soak.standing import LastRun, Patience, Standing
from soak.web.server import WebPart
from soak_storage import Store, open_store
from soak_storage.records import EventRow, LoadWindowRow, SampleRow
from tests.common import PATIENCE_S, free_port, wait_until
from tests.e2e.soaking import Done, soak
from tests.service.daemons import configure

Ask = Callable[..., tuple[int, dict[str, str], bytes]]
Serve = Callable[..., tuple[Standing, Ask]]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """An empty store."""
    with open_store(f"sqlite:///{tmp_path_factory.mktemp('store') / 'soak.db'}") as opened:
        yield opened


@pytest.fixture
def serve(store: Store) -> Iterator[Serve]:
    """Starts a web part on a free port; what it gives asks that."""
    parts: list[WebPart] = []

    def start(listen: str = "127.0.0.1:0", token: str | None = None) -> tuple[Standing, Ask]:
        standing = Standing("orders-api")
        part = WebPart(standing, Web(listen=listen, token=token), store, store.url)
        parts.append(part)
        part.initialize()

        def ask(path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
            connection = http.client.HTTPConnection("127.0.0.1", part.port, timeout=PATIENCE_S)
            try:
                connection.request(method, path, headers=headers)
                answer = connection.getresponse()
                return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
            finally:
                connection.close()

        return standing, ask

    yield start
    for part in parts:
        part.shutdown()


def values(text: bytes) -> dict[tuple[str, ...], float]:
    """Every sample of an exposition by its name and label values."""
    families = text_string_to_metric_families(text.decode())
    return {(s.name, *(v for _, v in sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def soaking(standing: Standing) -> None:
    """Put it into a run."""
    standing.begin(Patience())
    standing.committed(
        [
            SampleRow(1.0, "rss", "bytes", 5e7),
            SampleRow(1.0, "fds", "count", 12.0, "77:main"),
            SampleRow(1.0, "pss", "bytes", None),
            LoadWindowRow(0.0, 1.0, 0, "load", "list", 9, 9, 7, 1, 1),
            EventRow("check", 0.5, None, {"name": "api", "state": "healthy"}),
        ]
    )


def test_metrics_are_what_prometheus_reads(serve: Serve) -> None:
    """Series, load, checks, phase, verdicts and soak's own cost; a gap is no value."""
    standing, ask = serve()
    soaking(standing)
    status, headers, body = ask("/metrics")
    assert status == 200 and headers["content-type"].startswith("text/plain; version=0.0.4")
    found = values(body)
    assert found["soak_target_bytes", "total", "rss", "orders-api"] == 5e7
    assert found["soak_target_count", "77:main", "fds", "orders-api"] == 12.0
    assert ("soak_target_bytes", "total", "pss", "orders-api") not in found
    assert found["soak_load_requests_total", "landed", "list", "orders-api"] == 7.0
    assert found["soak_phase", "soaking"] == 1.0 and found["soak_phase", "idle"] == 0.0
    assert found["soak_check_healthy", "api", "healthy"] == 1.0
    assert found["soak_daemon_resident_bytes",] > 1e6 and found["soak_up",] == 1.0
    standing.end(LastRun(1, "leak", 1000.0))
    found = values(ask("/metrics")[2])
    assert found["soak_last_verdict", "orders-api", "leak"] == 1.0
    assert found["soak_runs_total", "orders-api", "leak"] == 1.0
    assert not {"soak_target_bytes", "soak_check_healthy"} & {name for name, *_ in found}  # of what is over


def test_health_is_503_only_when_the_daemon_hangs(serve: Serve) -> None:
    """A broken part is degraded and still 200; nothing heard for too long is unhealthy and 503."""
    standing, ask = serve()
    assert ask("/health")[0] == 200
    standing.parts = lambda: {"alerts": {"restarts": 2, "error": "it broke"}}
    status, _, body = ask("/health")
    assert (status, json.loads(body)["status"]) == (200, "degraded")
    standing.begin(Patience(starting=-1.0))
    status, _, body = ask("/health")
    assert (status, json.loads(body)["status"]) == (503, "unhealthy")


def test_status_is_for_programs(serve: Serve) -> None:
    """The same object that `soak status --json` prints."""
    standing, ask = serve()
    standing.turn()
    told: dict[str, Any] = json.loads(ask("/api/status")[2])
    assert told["name"] == "orders-api" and told["phase"] == "idle" and told["health"]["status"] == "healthy"


def test_every_answer_is_guarded(serve: Serve) -> None:
    """Security headers and a request id of its own, also on what is not there; nothing but GET and HEAD."""
    _, ask = serve()
    ids = set()
    for path in ("/health", "/nothing"):
        _, headers, _ = ask(path)
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["x-content-type-options"] == "nosniff" and headers["x-frame-options"] == "DENY"
        assert "server" not in headers
        ids.add(headers["x-request-id"])
    assert len(ids) == 2
    assert ask("/nothing")[0] == 404
    assert ask("/health", "POST")[0] == 405 and ask("/health", "HEAD")[0] == 200


def test_a_foreign_name_is_refused_on_loopback(serve: Serve) -> None:
    """A page of elsewhere whose name was made to point at 127.0.0.1 gets nothing."""
    _, ask = serve()
    assert ask("/api/status", Host="evil.example:8765")[0] == 421
    assert ask("/api/status", Host="localhost:8765")[0] == 200
    assert ask("/api/status", Host="[::1]:8765")[0] == 200


def test_a_token_is_asked_for(serve: Serve) -> None:
    """Without it and with a wrong one 401; /health says its word to everybody, and no more than that."""
    _, ask = serve("0.0.0.0:0", token="open sesame")
    assert ask("/metrics")[0] == 401 and ask("/api/status", Authorization="Bearer no")[0] == 401
    assert ask("/metrics")[1]["www-authenticate"] == "Bearer"
    assert ask("/metrics", Authorization="Bearer open sesame")[0] == 200
    status, _, body = ask("/health")
    assert status == 200 and json.loads(body) == {"status": "healthy"}


def test_status_says_that_it_is_the_token_and_not_that_nobody_answers(serve: Serve, tmp_path: Path) -> None:
    """Another token than the daemon's: exit 4 with what to do; the right one is answered."""
    listen = f"0.0.0.0:{free_port()}"
    serve(listen, token="open sesame")

    def status(token: str) -> Done:
        configure(tmp_path, 1, web={"listen": listen, "token": token})
        return soak(tmp_path, "status")

    refused = status("open, please")
    assert refused.code == 4 and "does not take the token" in refused.err and "No daemon" not in refused.err
    answered = status("open sesame")
    assert answered.code == 0 and "soak is healthy" in answered.out


def test_other_addresses_need_a_token() -> None:
    """Loopback in every spelling is free, everything else is a problem of the configuration without a token."""
    for listen in ("127.0.0.1:1", "[::1]:1", "localhost:1"):
        assert list(WebPart.problems(Web(listen=listen))) == []
    for listen in ("0.0.0.0:1", "[::]:1", "10.0.0.7:1", "soak.example:1"):
        ((key, _, _),) = WebPart.problems(Web(listen=listen))
        assert key == "web.listen"
        assert list(WebPart.problems(Web(listen=listen, token="t"))) == []


def test_a_taken_port_is_said(store: Store) -> None:
    """The part fails with the address; the daemon goes on and tries again."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        part = WebPart(Standing("a"), Web(listen=f"127.0.0.1:{taken.getsockname()[1]}"), store, store.url)
        with pytest.raises(SoakError, match="cannot listen on 127") as error:
            part.initialize()
    assert error.value.code == "web_port"


def test_shutdown_frees_the_port(store: Store) -> None:
    """Afterwards it can be listened on again, as a reload does."""
    port = free_port()  # one that the kernel picks may be a connection's in between
    part = WebPart(Standing("a"), Web(listen=f"127.0.0.1:{port}"), store, store.url)
    for _ in range(2):
        part.initialize()
        wait_until(lambda: part.loop(0.0) > 0)
        part.shutdown()
    with socket.create_server(("127.0.0.1", port)):
        pass
