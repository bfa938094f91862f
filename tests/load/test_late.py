"""Engines that read late: what they count is what they would have counted at once."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from soak.load import LoadPlan, ScenarioPlan, gather
from soak.load.engine import Engine
from soak.load.gather import Gather, Moderated
from soak.load.pool import Pool
from tests.common import PATIENCE_S
from tests.load.conftest import Client, Outcome, WireServer, burst, drive, ended, hello
from tests.load.test_gather import needs_stamps, pairs, stamps, until

__all__ = ["pairs", "stamps"]

DELIVERY_S = 0.02  # that a busy kernel may take to hand an answer over; reading late is a tenth of a second

Serve = Callable[..., WireServer]
pytestmark = needs_stamps


def test_what_one_read_brings_of_several_messages_ends_the_waiting(serve: Serve) -> None:
    """Two events at once on a stream: from then on it is read by itself. One by one it is not."""
    left: list[int] = []

    async def twice(client: Client) -> None:
        await client.head()
        await client.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        await client.send(b'data: {"seq": 1}\n\ndata: {"seq": 2}\n\n')

    class Counted(Moderated):
        def discard(self, fd: int) -> None:
            left.append(fd)
            super().discard(fd)

    plan = burst(serve(twice).url, 1, 0.01, ScenarioPlan(kind="sse", messages=2, validate=("order",)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("soak.load.engine.Moderated", Counted)
        outcome = drive(plan, until=ended(1))
    assert (outcome.errors, outcome.counts("checks")["messages"], len(left)) == ({}, 2, 1)


def test_a_latency_does_not_depend_on_when_it_was_read(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read up to a tenth of a second late, and counted from the intended moment to that of the server's sending."""
    monkeypatch.setattr("soak.load.paced.NEAR_S", 1.0)
    monkeypatch.setattr("soak.load.engine.STAY_S", 0.25)
    sent: list[float] = []

    async def noting(client: Client) -> None:
        while True:
            await client.head()
            client.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")  # asyncio sends it in this call
            sent.append(time.monotonic())

    plan = LoadPlan(serve(noting).url, (ScenarioPlan(count=10),), cycle=1 + PATIENCE_S, cycles=1, quiet=PATIENCE_S)

    async def go() -> tuple[float, Outcome]:
        zero = time.monotonic() + 0.05
        engine = Engine(plan, zero)
        running = asyncio.create_task(engine.run())
        await until(lambda: engine.resumed > 0 and not engine.accounts.in_flight)
        engine.stop()
        await running
        return zero, Outcome(engine.drain())

    for _ in range(5):  # else the machine stood still for a second at the start, and some of them were dropped
        sent.clear()
        zero, outcome = uvloop.run(go())
        if not outcome.total("dropped"):
            break
    intended = [zero + (k + 0.5) / 10 for k in range(10)]
    truth = sum(sent) - sum(intended)
    assert outcome.total("landed") == len(sent) == 10
    assert outcome.histogram("response").sum_us / 1e6 <= truth + 10 * DELIVERY_S


def test_an_answer_that_waits_to_be_read_takes_no_place(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one place only, what was answered before the next request is due is read before that is dropped."""
    monkeypatch.setattr("soak.load.paced.NEAR_S", 1.0)
    server = serve(hello)
    for _ in range(5):  # else the machine stood still: an answer was not there yet
        scenario = ScenarioPlan(count=20, method="POST")
        outcome = drive(LoadPlan(server.url, (scenario,), cycle=1.1, cycles=1, quiet=0.1, max_in_flight=1))
        if not outcome.total("dropped"):
            break
    assert (outcome.total("landed"), outcome.total("dropped")) == (20, 0)


def test_a_request_closely_followed_by_another_costs_one_wake_up(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """At 1,000/s few answers wake the loop. The best of some tries: a busy machine may be late for one."""
    woken = []

    class Counted(Gather):
        def woken(self) -> None:
            woken.append(1)
            super().woken()

    monkeypatch.setattr(gather, "Gather", Counted)
    server = serve(hello)
    for faults in ({}, {"abandon": 0.01}):  # to stay out of the loop, and to go through it for the time only
        for _ in range(20):
            woken.clear()
            plan = LoadPlan(server.url, (ScenarioPlan(count=200, faults=faults),), cycle=0.3, cycles=1, quiet=0.1)
            outcome = drive(plan)
            assert outcome.total("landed") + sum(outcome.counts("faulted").values()) == 200
            if len(woken) < 100:
                break
        assert len(woken) < 100


@pytest.mark.parametrize(
    "pieces",
    [
        (b"HTTP/1.1 200 OK\r\n", b"Content-Length: 2\r\n\r\nok"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000,),
    ],
)
def test_answers_in_pieces_and_large_ones_are_read_at_once(serve: Serve, pieces: tuple[bytes, ...]) -> None:
    """Nothing waits after an answer that did not come as a whole, or that a socket's buffer can hardly hold."""

    async def answering(client: Client) -> None:
        while True:
            await client.head()
            for piece in pieces:
                await client.send(piece)
                await asyncio.sleep(0.005)

    plan = LoadPlan(serve(answering).url, (ScenarioPlan(count=40),), cycle=0.2 + PATIENCE_S, cycles=1, quiet=PATIENCE_S)

    async def go() -> Engine:
        engine = Engine(plan, time.monotonic() + 0.05)
        running = asyncio.create_task(engine.run())
        await until(lambda: engine.resumed > 0 and not engine.accounts.in_flight)
        assert not engine.pool.patient(engine.now())
        engine.stop()
        await running
        return engine

    engine = uvloop.run(go())
    outcome = Outcome(engine.drain())
    assert (outcome.errors, outcome.total("landed")) == ({}, 40 - outcome.total("dropped"))
    assert isinstance(engine.pool, Pool)
    assert (engine.pool.eager_until < math.inf) == (len(pieces) > 1)


@pytest.mark.parametrize(
    ("url", "scenario", "values", "late", "stays"),
    [
        ("http", ScenarioPlan(), {}, True, True),
        ("http", ScenarioPlan(faults={"reset": 0.1}), {}, True, False),
        ("http", ScenarioPlan(kind="sse"), {}, True, False),
        ("http", ScenarioPlan(users=1), {}, False, False),
        ("http", ScenarioPlan(), {"users": 1}, False, False),
        ("http", ScenarioPlan(), {"profile": "normal"}, False, False),
        ("http", ScenarioPlan(), {"http2": "on"}, False, True),
        ("https", ScenarioPlan(), {}, False, True),
    ],
)
def test_only_what_nobody_waits_for_is_read_late(
    url: str, scenario: ScenarioPlan, values: dict[str, Any], late: bool, stays: bool
) -> None:
    """Users wait for their answers, TLS has no stamps; and only where all is plain does the loop wait for its turn."""
    plan = LoadPlan(f"{url}://127.0.0.1:1", (scenario,), **values)
    engine = Engine(plan, 0.0)
    assert (engine.pool.gather is not None and engine.pool.gather.late, engine._stays) == (late, stays)
