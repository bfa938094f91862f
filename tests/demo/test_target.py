"""The bundled target as a real server: orders, faults, streams, flags and metrics."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from soak.demo.streams import numbers
from tests.common import PATIENCE_S, free_port, wait_until

get, put, post = (partial(verb, timeout=PATIENCE_S) for verb in (httpx.get, httpx.put, httpx.post))
patient_connect = partial(connect, open_timeout=PATIENCE_S, close_timeout=PATIENCE_S)


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    """A running target with a descriptor leak, two streams and one limited request at once; its URL."""
    port = free_port()
    environment = {**os.environ, "PORT": str(port), "SOAK_DEMO_LEAK": "fd", "SOAK_DEMO_STREAMS": "2"}
    arguments = [sys.executable, "-m", "soak.demo.target", "--every", "2", "--limited", "1"]
    process = subprocess.Popen(arguments, env=environment)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(f"{url}/health"))
        yield url
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    """Whether somebody serves it by now."""
    try:
        get(url)
    except httpx.TransportError:
        return False
    return True


def metric(base: str, name: str) -> float:
    """One sample of the target's /metrics."""
    lines = get(f"{base}/metrics").text.splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} "))


def test_orders_are_counted_and_leak_at_their_rate(base: str) -> None:
    """With --every 2, four orders leave two descriptors open."""
    before = metric(base, 'demo_held{what="fd"}')
    numbers = [get(f"{base}/work").json()["order"] for _ in range(4)]
    assert numbers == list(range(numbers[0], numbers[0] + 4))
    assert metric(base, 'demo_held{what="fd"}') == before + 2


def test_errors_come_at_exactly_their_rate(base: str) -> None:
    """A share of 0.25 is every fourth request, not a matter of luck."""
    codes = [get(f"{base}/error?rate=0.25&status=503").status_code for _ in range(8)]
    assert sorted(codes) == [200] * 6 + [503] * 2


def test_flags_switch_errors_streams_and_memory(base: str) -> None:
    """What PUT /flags sets takes effect at once; unknown flags and values change nothing."""
    assert put(f"{base}/flags", json={"errors": 1.0, "streaming": False, "memory": False}).status_code == 200
    assert get(f"{base}/work").status_code == 500
    assert get(f"{base}/events?count=1").status_code == 503
    assert "process_resident_memory_bytes" not in get(f"{base}/metrics").text
    for wrong in ({"bogus": True}, {"errors": 2}, {"streaming": 1}, [1]):
        assert put(f"{base}/flags", json=wrong).status_code == 400
    answer = put(f"{base}/flags", json={"errors": 0, "streaming": True, "memory": True})
    assert answer.json() == {"streaming": True, "memory": True, "errors": 0}
    assert metric(base, "process_resident_memory_bytes") > 1e6


def test_signing_in_opens_the_account(base: str) -> None:
    """Without a session 401; with its cookie or its token the user is known."""
    assert get(f"{base}/account").status_code == 401
    with httpx.Client(base_url=base, timeout=PATIENCE_S) as client:
        token = client.post("/sign-in", json={"user": "ada"}).json()["token"]
        assert client.get("/account").json() == {"user": "ada"}
    assert get(f"{base}/account", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert post(f"{base}/sign-in").status_code == 400


def test_slow_takes_its_time_and_upload_reads_to_the_end(base: str) -> None:
    """/slow waits as long as it is told, /upload says how much arrived."""
    began = time.monotonic()
    assert get(f"{base}/slow?ms=50").json() == {"waited_ms": 50.0}
    assert time.monotonic() - began > 0.045  # its timers round to milliseconds
    assert post(f"{base}/upload", content=b"x" * 100_000).json() == {"bytes": 100_000}


def test_limited_pushes_back_with_retry_after(base: str) -> None:
    """One request at once: of two together, one gets 429 and the time to wait."""

    async def two(ms: int) -> list[httpx.Response]:
        async with httpx.AsyncClient(timeout=2 * PATIENCE_S) as client:
            return list(await asyncio.gather(*(client.get(f"{base}/limited?ms={ms}") for _ in range(2))))

    for ms in (500, 5000, 50_000):  # together they are only where the machine does not stand still for longer
        answers = sorted(asyncio.run(two(ms)), key=lambda answer: answer.status_code)
        if answers[1].status_code != 200:
            break
    assert [answer.status_code for answer in answers] == [200, 429]
    assert answers[1].headers["Retry-After"] == "1"


def test_events_are_numbered_in_order(base: str) -> None:
    """Twenty events at 200 a second: each once, in order, at the rate."""
    began = time.monotonic()
    with httpx.stream("GET", f"{base}/events?rate=200&count=20", timeout=PATIENCE_S) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        seen = [json.loads(line[6:])["seq"] for line in answer.iter_lines() if line.startswith("data: ")]
    assert seen == list(range(20))
    assert time.monotonic() - began > 0.9 * 19 / 200


def test_the_stream_over_the_limit_is_refused_and_leaves_nothing(base: str) -> None:
    """Two streams are open: the third gets 503, a WebSocket too; when they leave, the count is back at zero."""

    wait_until(lambda: metric(base, "demo_streams") == 0)  # those of other tests have gone

    async def over_the_limit() -> None:
        async with httpx.AsyncClient(timeout=PATIENCE_S) as client:
            one = client.stream("GET", f"{base}/events?rate=1")
            two = client.stream("GET", f"{base}/events?rate=1")
            async with one, two:
                refused = await client.get(f"{base}/events")
                assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
                with pytest.raises(InvalidStatus):
                    await patient_connect(f"{base.replace('http', 'ws')}/ws")

    asyncio.run(over_the_limit())
    wait_until(lambda: metric(base, "demo_streams") == 0)
    assert metric(base, "demo_streams_refused_total") >= 2


def test_websockets_send_numbers_and_echo(base: str) -> None:
    """/ws numbers its messages and takes the first subprotocol offered; /echo answers what it gets."""
    url = base.replace("http", "ws")

    async def talk() -> tuple[list[int], str | None, str | bytes]:
        async with patient_connect(f"{url}/ws?rate=500&count=5", subprotocols=["demo"]) as socket:  # type: ignore[list-item] # a NewType of str
            seen = [json.loads(text)["seq"] async for text in socket]
            chosen = socket.subprotocol
        async with patient_connect(f"{url}/echo") as socket:
            await socket.send("hello")
            return seen, chosen, await socket.recv()

    seen, chosen, echoed = asyncio.run(talk())
    assert (seen, chosen) == ([0, 1, 2, 3, 4], "demo")
    assert json.loads(echoed) == {"echo": "hello"}


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("", [*range(12)]),
        ("swap", [*range(9), 10, 9, 11]),
        ("repeat", [*range(10), 9, 10, 11]),
        ("skip", [*range(9), 10, 11]),
    ],
)
def test_streams_can_break_each_promise(fault: str, expected: list[int]) -> None:
    """Order, no duplicates, all delivered: each can be broken on request, in every tenth message."""
    assert list(numbers(12, fault)) == expected


def test_an_unknown_switch_is_refused() -> None:
    """A leak that does not exist must not make a clean target by mistake."""
    run = subprocess.run(
        [sys.executable, "-m", "soak.demo.target", "--leak", "lst"], capture_output=True, text=True, timeout=240
    )
    assert run.returncode == 2
    assert "lst" in run.stderr
