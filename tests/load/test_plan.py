"""A plan says what the configuration says, in bytes and seconds, and travels to the workers whole."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from soak.config import load_config
from soak.errors import SoakError
from soak.load import LoadPlan, ScenarioPlan
from soak.load.plan import workers_for
from soak.load.text import described_plan
from soak.load.wire import Endpoint, encode

CONFIG = """
[target]
pid = 1
url = "http://127.0.0.1:8000/api/"
[load]
profile = "steps"
levels = [1, 10, 50]
cycle = "60s"
cycles = 3
quiet = "9s"
timeout = "4s"
max_in_flight = 77
connections = "keep"
arrivals = "poisson"
[[scenario]]
name = "buy"
method = "POST"
path = "/orders"
json = { n = 1 }
tags = { space = "a" }
expect = { status = [201], max_ms = 250 }
faults = { abandon = 0.1 }
[[scenario]]
name = "watch"
kind = "websocket"
path = "/ws"
rate = 0.5
send = ["hello"]
until = "bye"
hold = "50ms"
faults = { abandon = 1.0 }
[[scenario]]
name = "shop"
kind = "python"
function = "shop.py:visit"
client = "httpx"
users = 3
[[scenario]]
name = "recall"
kind = "grpc"
path = "/memory.Memory/Recall"
json = { count = 3 }
proto = "memory.protoset"
[[scenario]]
name = "old"
kind = "locust"
file = "locustfile.py"
"""


@pytest.fixture
def plan(tmp_path: Path) -> LoadPlan:
    """The plan of the configuration above."""
    for name in ("shop.py", "locustfile.py", "memory.protoset"):
        (tmp_path / name).write_text("")
    (tmp_path / "soak.toml").write_text(CONFIG)
    return LoadPlan.from_config(load_config(tmp_path / "soak.toml"))


def test_every_setting_arrives(plan: LoadPlan, tmp_path: Path) -> None:
    """Durations in seconds, bodies in bytes, the folder of the file."""
    assert (plan.cycle, plan.cycles, plan.quiet, plan.timeout) == (60.0, 3, 9.0, 4.0)
    assert (plan.max_in_flight, plan.connections, plan.arrivals) == (77, "keep", "poisson")
    assert (plan.folder, plan.length, plan.workers) == (str(tmp_path), 180.0, 1)
    assert plan.shape().sentence().startswith("steps: 1, 10, 50 requests/s, 17 s each")
    buy, watch, shop, recall, old = plan.scenarios
    assert (buy.body, buy.headers, buy.status, buy.max_s) == (
        b'{"n":1}',
        {"Content-Type": "application/json"},
        (201,),
        0.25,
    )
    assert (buy.tags, buy.faults, buy.share) == ({"space": "a"}, {"abandon": 0.1}, 1.0)
    assert (watch.send, watch.until, watch.hold, watch.share) == (("hello",), "bye", 0.05, 0.0)
    assert (shop.function, shop.client, shop.users) == ("shop.py:visit", "httpx", 3)
    assert (recall.body, recall.proto) == (b'{"count":3}', "memory.protoset")
    assert (old.file, old.share) == ("locustfile.py", 0.0)


def test_a_plan_travels_whole(plan: LoadPlan) -> None:
    """Pickled and back it is the same."""
    assert pickle.loads(pickle.dumps(plan)) == plan


@pytest.mark.parametrize(("cores", "workers"), [(3, [1, 1, 1, 2, 2, 3, 3]), (1, [1] * 7), (None, [1] * 7)])
def test_more_processes_only_where_the_rate_needs_them(
    monkeypatch: pytest.MonkeyPatch, cores: int | None, workers: list[int]
) -> None:
    """One for each 5,000/s that were begun; never more than there are cores, and one where their number is unknown."""
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    assert [workers_for(rate) for rate in (0, 50, 5000, 5001, 10_000, 10_001, 1e9)] == workers


@pytest.mark.parametrize(
    ("url", "authority", "target"),
    [
        ("http://a", "a", "/x"),
        ("http://a:80/", "a", "/x"),
        ("http://a:8080/base/", "a:8080", "/base/x"),
        ("https://a:443", "a", "/x"),
        ("http://[::1]:9", "[::1]:9", "/x"),
    ],
)
def test_an_endpoint_is_read_from_a_url(url: str, authority: str, target: str) -> None:
    """Default ports are left out, a base path is kept, IPv6 has its brackets."""
    endpoint = Endpoint.parse(url)
    assert (endpoint.authority, endpoint.target("/x")) == (authority, target)


def test_a_request_is_encoded_once_and_right() -> None:
    """Escaped where it must be, with a length where there is a body; the user's headers win."""
    endpoint = Endpoint.parse("http://a:1")
    head, body = encode(endpoint, "POST", "/ä b?q=%20&x=1#part", {"host": "other", "X-A": "1"}, b"hi")
    assert head.startswith(b"POST /%C3%A4%20b?q=%20&x=1 HTTP/1.1\r\n")
    assert head.endswith(b"Content-Length: 2\r\nhost: other\r\nX-A: 1\r\n\r\n")
    assert b"Host: a:1" not in head
    assert body == b"hi"


@pytest.mark.parametrize(
    ("scenario", "what"),
    [
        (ScenarioPlan(kind="python", function="a.py:f", faults={"reset": 0.1}), 'faults for kind "python"'),
        (ScenarioPlan(streams=3), 'streams for kind "http"'),
        (ScenarioPlan(kind="command"), "without a command"),
        (ScenarioPlan(kind="locust"), "without a file"),
        (ScenarioPlan(kind="grpc", faults={"reset": 0.1}), 'fault "reset" for kind "grpc"'),
    ],
)
def test_what_makes_no_sense_is_named(scenario: ScenarioPlan, what: str) -> None:
    """All of it in one message, before anything starts."""
    with pytest.raises(SoakError) as refused:
        LoadPlan("http://127.0.0.1:1", (scenario,)).check()
    assert what in refused.value.message


def test_a_dry_run_says_what_is_special() -> None:
    """Nothing is drawn where nothing is sent, and HTTP/2 is named."""
    assert described_plan(LoadPlan("http://127.0.0.1", profile="none")) == "none: no load; the scenarios are not run"
    assert "plain requests over HTTP/2\n" in described_plan(LoadPlan("http://127.0.0.1", http2="on"))
    assert "HTTP/2" not in described_plan(LoadPlan("http://127.0.0.1"))
