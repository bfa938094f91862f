"""Each kind of check against a real server, well and unwell."""

from __future__ import annotations

import socket
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from soak.checks import ask, preflight
from soak.config import Check
from soak.errors import SoakError
from tests.checks.servers import http_server, redis_server
from tests.common import PATIENCE_S, free_port


def check(kind: str, **settings: Any) -> Check:
    """A check as the configuration would give it, but with all the patience that a busy machine may need."""
    return Check(**{"name": kind, "kind": kind, "timeout": PATIENCE_S, **settings})


def test_http_wants_an_expected_status() -> None:
    """200 passes, 503 does not and is named; where 503 is expected it passes."""
    with http_server() as server:
        assert ask(check("http", url=f"{server.url}/health")).ok
        server.status = 503
        outcome = ask(check("http", url=f"{server.url}/health"))
        assert not outcome.ok and outcome.why == "it answered 503, expected 200"
        assert ask(check("http", url=server.url, status=(200, 503))).ok
    assert server.seen[0][0] == "/health"
    assert server.seen[0][1]["Connection"] == "close"  # it must not stay among the target's connections


def test_slower_than_max_ms_is_a_failure() -> None:
    """The right answer, but later than allowed."""
    with http_server() as server:
        outcome = ask(check("http", url=server.url, max_ms=0.001))
    assert not outcome.ok and outcome.why.endswith("at most 0.001 are allowed")


def test_tcp_wants_a_port_that_accepts() -> None:
    """An open port passes, a closed one is refused by name."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert ask(check("tcp", host="127.0.0.1", port=server.getsockname()[1])).ok
    outcome = ask(check("tcp", host="127.0.0.1", port=free_port()))
    assert not outcome.ok and "refused" in outcome.why


def test_dns_wants_a_name_with_an_address() -> None:
    """localhost resolves; a name under .invalid never does (RFC 6761)."""
    assert ask(check("dns", host="localhost")).ok
    assert not ask(check("dns", host="soak-test.invalid")).ok


def test_redis_answers_ping() -> None:
    """PONG passes; a password that is asked for and one that is wrong are said; HTTP is no Redis."""
    with redis_server({}, password="open sesame") as place:
        assert ask(check("redis", url=f"redis://:open%20sesame@{place}/2")).ok
        assert "NOAUTH" in ask(check("redis", url=f"redis://{place}")).why
        assert "WRONGPASS" in ask(check("redis", url=f"redis://:no@{place}")).why
    with http_server() as server:
        outcome = ask(check("redis", url=server.url.replace("http", "redis")))
    assert not outcome.ok


def test_a_server_that_says_nothing_times_out() -> None:
    """A connection that is accepted and never answered ends at the timeout."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        outcome = ask(check("redis", url=f"redis://127.0.0.1:{server.getsockname()[1]}", timeout=0.1))
    assert outcome.why == "no answer within 0.1 s"


def test_sql_runs_a_query_read_only(tmp_path: Path) -> None:
    """A query that runs passes; a wrong one, a write, a missing file and an unknown database are named failures."""
    path = tmp_path / "orders.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER)")
    url = f"sqlite:///{path}"
    assert ask(check("sql", url=url, query="SELECT count(*) FROM orders")).ok
    assert "no such table" in ask(check("sql", url=url, query="SELECT 1 FROM nowhere")).why
    assert "readonly" in ask(check("sql", url=url, query="INSERT INTO orders VALUES (1)")).why
    assert not ask(check("sql", url=f"sqlite:///{tmp_path}/none.db", query="SELECT 1")).ok
    assert not (tmp_path / "none.db").exists()
    assert "mysql databases cannot be asked" in ask(check("sql", url="mysql://h/d", query="SELECT 1")).why


def test_a_query_that_does_not_end_is_interrupted(tmp_path: Path) -> None:
    """An endless query is a failure at its timeout, however late it begins, and leaves nobody at work."""
    path = tmp_path / "a.db"
    sqlite3.connect(path).execute("CREATE TABLE a (b)").connection.close()
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    for timeout in (0.1, 1e-9):
        outcome = ask(check("sql", url=f"sqlite:///{path}", query=endless, timeout=timeout))
        assert outcome.why == f"no answer within {timeout:g} s"


def test_preflight_names_each_check_that_fails() -> None:
    """All are asked, and those that fail are in one error with their reasons; none is an error when all pass."""
    with http_server() as server:
        good = check("http", name="api", url=server.url)
        bad = check("tcp", name="cache", host="127.0.0.1", port=free_port())
        worse = check("dns", name="broker", host="soak-test.invalid")
        assert [outcome.ok for _, outcome in preflight([good])] == [True]
        with pytest.raises(SoakError) as error:
            preflight([good, bad, worse])
    assert error.value.message.startswith("2 of 3 checks did not pass")
    assert "cache (tcp): Connection refused" in error.value.message
    assert "broker (dns)" in error.value.message and "api" not in error.value.message


def test_preflight_does_not_wait_for_one_that_hangs() -> None:
    """A check that never returns has failed once its timeout is over."""
    never = threading.Event()

    def hang(_check: Check) -> Any:
        never.wait()

    with pytest.raises(SoakError, match=r"no answer within 0\.05 s"):
        preflight([check("dns", host="h", timeout=0.05)], ask=hang, slack=0.05)
    never.set()
