"""Requests that closely follow each other: sent and read in a loop of their own, counted as all others are."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from soak.load import LoadPlan, ScenarioPlan, gather, paced
from soak.load.backoff import SOFT_FAILURES
from soak.load.burst import MOST_IDLE, Burst
from soak.load.compiled import LIBRARY
from soak.load.engine import Engine
from soak.load.pool import Pool, PooledConnection
from tests.load.conftest import Client, Outcome, WireServer, drive, hello
from tests.load.test_gather import needs_stamps

Serve = Callable[..., WireServer]
Sent = list[tuple[float, bool]]  # when each was intended, and was it in a burst?
pytestmark = [needs_stamps, pytest.mark.skipif(not LIBRARY.exists(), reason="nothing was compiled here: no C compiler")]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
STEADY = {"profile": "constant", "high": 100.0}
COUNT = 60  # arrivals in 0.6 s: a server's answer is there long before the next one, mostly


def lost(pool: Any) -> int:
    """Connections that nothing is sent on, and nobody will."""
    return sum(one.job is None and one not in pool.idle for one in pool._all)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sent]:
    """What is sent, in its order; ten milliseconds between two are near enough for a burst."""
    noted: Sent = []
    arrive, run = Engine.arrive, Burst.run

    def one(engine: Engine, intended: float, *rest: Any) -> bool:
        noted.append((intended, False))
        return arrive(engine, intended, *rest)

    def some(burst: Burst, first: int, end: int) -> int:
        following = run(burst, first, end)
        noted.extend((when, True) for when in burst._times[first:following])
        assert not lost(burst._engine.pool)
        return following

    monkeypatch.setattr(Engine, "arrive", one)
    monkeypatch.setattr(Burst, "run", some)
    monkeypatch.setattr(paced, "NEAR_S", 1.0)
    monkeypatch.setattr(paced, "AHEAD", 16)
    yield noted


def plan(url: str, *scenarios: ScenarioPlan, **values: Any) -> LoadPlan:
    """Requests evenly within 0.6 s."""
    return LoadPlan(url, scenarios or (ScenarioPlan(count=COUNT),), cycle=0.7, cycles=1, quiet=0.1, **values)


def quick(sent: Sent) -> int:
    """How many were sent in bursts."""
    return sum(burst for _, burst in sent)


def whole(outcome: Outcome, count: int = COUNT) -> None:
    """Each is counted once: when it was due, as sent, how late it was, and how it ended."""
    ends = outcome.total("landed") + sum(outcome.counts("faulted").values())
    assert (outcome.total("due"), outcome.total("sent") + outcome.total("dropped")) == (count, count)
    assert ends == outcome.total("sent") == outcome.histogram("lateness").count
    assert outcome.histogram("response").count == outcome.histogram("service").count == outcome.total("landed")
    assert outcome.in_flight == 0


def test_they_are_counted_as_all_others_are(serve: Serve, sent: Sent) -> None:
    """All but a few go in bursts, in order; the server saw as many, and the latencies are those of all."""
    seen = []

    async def noting(client: Client) -> None:
        while True:
            seen.append(await client.head())
            await client.send(OK)

    outcome = drive(plan(serve(noting).url))
    whole(outcome)
    assert outcome.errors == {}
    assert len(seen) == outcome.total("sent") == COUNT
    assert [when for when, _ in sent] == sorted(when for when, _ in sent)
    assert quick(sent) > COUNT / 2
    assert outcome.histogram("response").sum_us >= outcome.histogram("service").sum_us > 0


def test_an_unusual_answer_goes_the_way_of_all_others(serve: Serve, sent: Sent) -> None:
    """Errors, other lengths, pieces and chunks, now and then: each is what it is, and the others are not touched."""
    unusual = {
        1: [b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno"],
        2: [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nthree"],
        3: [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"2\r\nok\r\n", b"0\r\n\r\n"],
        4: [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"],
        5: [b"HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n"],
        6: [OK[:-1], OK[-1:]],
    }
    asked = Counter[int]()

    async def sometimes(client: Client) -> None:
        while True:
            await client.head()
            asked[0] += 1
            number, rest = divmod(asked[0], 10)
            pieces = unusual[number] if number in unusual and not rest else [OK]
            for piece in pieces:
                await client.send(piece)
                await asyncio.sleep(0.001 if len(pieces) > 1 else 0)
            if b"close" in pieces[0]:
                return

    outcome = drive(plan(serve(sometimes).url))
    whole(outcome)
    assert outcome.errors == {"status_500": 1, "status_404": 1}
    assert outcome.total("landed") == COUNT
    assert quick(sent) > 0


def test_connections_that_the_server_has_closed_cost_nothing(serve: Serve, sent: Sent) -> None:
    """It hangs up after every fifth answer without a word: those requests are sent again, and none fails."""

    async def impatient(client: Client) -> None:
        for _ in range(5):
            await client.head()
            await client.send(OK)

    outcome = drive(plan(serve(impatient).url))
    whole(outcome)
    assert (outcome.errors, outcome.total("landed")) == ({}, COUNT)
    assert quick(sent) > 0


def test_a_connection_that_is_to_be_closed_is_not_used_again(serve: Serve, sent: Sent) -> None:
    """Three of ten answers say so, one after the other, and the server waits for it. There are many connections."""
    asked, many = Counter[int](), 20

    async def closing(client: Client) -> None:
        while True:
            await client.head()
            asked[0] += 1
            while asked[0] < many:
                await asyncio.sleep(0.001)
            if asked[0] > many and asked[0] % 10 < 3:
                await client.send(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
                before = len(client.received)
                await client.until_end()
                asked[1] += len(client.received) - before
                return
            await client.send(OK)

    outcome = drive(plan(serve(closing).url))
    whole(outcome)
    assert (outcome.errors, asked) == ({}, {0: COUNT, 1: 0})
    assert quick(sent) > 0


def test_a_socket_that_nothing_can_be_written_to_is_left_to_those_who_know(
    serve: Serve, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the idle connection breaks just when it is written to: the request goes out all the same."""
    broken: list[PooledConnection] = []
    run = Burst.run

    def breaking(burst: Burst, first: int, end: int) -> int:
        pool = burst._engine.pool
        if isinstance(pool, Pool) and pool.idle and not broken and (sock := pool.idle[-1].sock) is not None:
            broken.append(pool.idle[-1])
            sock.shutdown(socket.SHUT_WR)
        return run(burst, first, end)

    monkeypatch.setattr(Burst, "run", breaking)
    outcome = drive(plan(serve(hello).url))
    whole(outcome)
    assert (outcome.errors, outcome.total("landed"), len(broken)) == ({}, COUNT, 1)


def test_malformed_answers_and_resets_are_errors(serve: Serve, sent: Sent) -> None:
    """Garbage once, then good answers: one error, and the rest goes on."""
    asked = Counter[int]()

    async def garbling(client: Client) -> None:
        while True:
            await client.head()
            asked[0] += 1
            await client.send(b"garbage\r\n\r\n" if asked[0] == COUNT // 2 else OK)

    outcome = drive(plan(serve(garbling).url))
    assert outcome.errors == {"malformed": 1}
    assert outcome.total("landed") == COUNT - 1 - outcome.total("dropped")
    assert quick(sent) > 0


def test_one_that_pushes_back_is_left_in_peace(serve: Serve, sent: Sent) -> None:
    """503 from the middle on: after so many failures in a row the rest is withheld, and nothing goes in bursts."""
    asked = Counter[int]()

    async def tired(client: Client) -> None:
        while True:
            await client.head()
            asked[0] += 1
            busy = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
            await client.send(OK if asked[0] <= COUNT // 2 else busy)

    outcome = drive(plan(serve(tired).url))
    assert quick(sent) > 0
    assert outcome.counts("errors")["status_503"] >= SOFT_FAILURES
    assert outcome.total("withheld") > 0
    assert outcome.total("due") == outcome.total("sent") + outcome.total("withheld") == COUNT
    last = max(place for place, (_, burst) in enumerate(sent) if burst)
    assert last < COUNT // 2 + 2 * SOFT_FAILURES


def test_what_is_full_drops_and_slow_answers_overtake_each_other(serve: Serve, sent: Sent) -> None:
    """Three places and answers that take as long as ten arrivals: the rest is dropped, what is sent lands."""

    async def slow(client: Client) -> None:
        while True:
            await client.head()
            await asyncio.sleep(0.05 + 0.05 * (client.number % 2))
            await client.send(OK)

    outcome = drive(plan(serve(slow).url, max_in_flight=3))
    whole(outcome)
    assert outcome.errors == {}
    assert outcome.total("dropped") > 0
    assert outcome.total("landed") == outcome.total("sent") >= 3


def test_a_burst_keeps_to_the_places_that_are_left(serve: Serve, sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty idle connections, and room for two requests at a time: no more are under way, however slow the answers."""
    most = [0]
    limited = threading.Event()
    asked, run = Counter[int](), Burst.run

    async def slow(client: Client) -> None:
        while True:
            await client.head()
            asked[0] += 1
            while asked[0] < 20:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.05 if limited.is_set() else 0)
            await client.send(OK)

    def noting(burst: Burst, first: int, end: int) -> int:
        engine = burst._engine
        if len(getattr(engine.pool, "idle", [])) >= 20:
            engine.most_in_flight = 2
            limited.set()
        following = run(burst, first, end)
        if limited.is_set():
            most[0] = max(most[0], engine.accounts.in_flight)
        return following

    monkeypatch.setattr(Burst, "run", noting)
    outcome = drive(plan(serve(slow).url))
    whole(outcome)
    assert outcome.errors == {}
    assert 0 < most[0] <= 2


def test_of_many_connections_some_are_used_and_none_is_lost(serve: Serve, sent: Sent) -> None:
    """Nobody is answered before the 45th has asked: more connections than a burst takes, and all stay what they are."""
    asked, enough = Counter[int](), 45

    async def late(client: Client) -> None:
        while True:
            await client.head()
            asked[0] += 1
            while asked[0] < enough:
                await asyncio.sleep(0.001)
            await client.send(OK)

    server = serve(late)
    outcome = drive(plan(server.url))
    whole(outcome)
    assert enough > MOST_IDLE
    assert (outcome.errors, outcome.total("landed")) == ({}, COUNT)
    assert len(server.clients) >= enough
    assert quick(sent) > 0


def test_a_body_that_does_not_fit_into_the_socket_goes_out_in_the_end(
    serve: Serve, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight MiB each to a server that reads them when it likes."""
    monkeypatch.setattr("soak.load.pool.EAGER_S", 0.0)
    size = 8 << 20

    async def reading(client: Client) -> None:
        while True:
            await client.head()
            await asyncio.sleep(0.01)
            await client.reader.readexactly(size)
            await client.send(OK)

    body = ScenarioPlan(method="PUT", path="/large", body=b"x" * size, count=5)
    outcome = drive(plan(serve(reading).url, body))
    whole(outcome, 5)
    assert (outcome.errors, outcome.total("landed")) == ({}, 5)
    assert quick(sent) > 0


def test_scenarios_with_rates_of_their_own_do_not_wait_for_each_other(serve: Serve, sent: Sent) -> None:
    """A burst ends where another arrival is due: all are fired in the order of their times."""
    many, few = ScenarioPlan(name="many", count=COUNT), ScenarioPlan(name="few", path="/few", count=7)
    outcome = drive(plan(serve(hello).url, many, few))
    whole(outcome, COUNT + 7)
    assert [when for when, _ in sent] == sorted(when for when, _ in sent)
    assert (outcome.total("landed", "many"), outcome.total("landed", "few")) == (COUNT, 7)
    assert quick(sent) > 0


def test_weights_and_posts_are_kept(serve: Serve, sent: Sent) -> None:
    """What must not be sent twice is never sent in a burst; the shares are those of the weights."""
    seen = Counter[bytes]()

    async def noting(client: Client) -> None:
        while True:
            seen[(await client.head()).split()[0]] += 1
            await client.send(OK)

    read, write = ScenarioPlan(name="read", weight=3), ScenarioPlan(name="write", method="POST", weight=1)
    outcome = drive(plan(serve(noting).url, read, write, **STEADY))
    whole(outcome)
    assert seen == {b"GET": outcome.total("landed", "read"), b"POST": outcome.total("landed", "write")}
    assert abs(seen[b"POST"] - COUNT / 4) <= 3
    assert 0 < quick(sent) <= seen[b"GET"]


def test_each_scenario_has_its_own_answers(serve: Serve, sent: Sent) -> None:
    """One expects 404 and one 200, over the same connections."""

    async def answering(client: Client) -> None:
        while True:
            missing = b"/missing" in await client.head()
            await client.send(b"HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n" if missing else OK)

    gone = ScenarioPlan(name="gone", path="/missing", status=(404,), weight=1)
    outcome = drive(plan(serve(answering).url, ScenarioPlan(name="there", status=(200,), weight=1), gone, **STEADY))
    whole(outcome)
    assert outcome.errors == {}
    assert abs(outcome.total("landed", "gone") - COUNT / 2) <= 3
    assert quick(sent) > 0


def test_it_ends_where_something_else_is_due(serve: Serve, sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that is due at `until` or later is fired in a burst."""
    ends: list[tuple[float, float]] = []
    undisturbed = Engine.undisturbed

    def noting(engine: Engine, when: float) -> float:
        until = undisturbed(engine, when)
        ends.append((when, until))
        return until

    monkeypatch.setattr(Engine, "undisturbed", noting)
    drive(plan(serve(hello).url))
    limits = dict(ends)
    assert quick(sent) > 0
    until = 0.0
    for when, burst in sent:
        until = limits.get(when, until)
        assert not burst or when < until


@pytest.mark.parametrize("step", [-3600.0, 3600.0])
def test_a_wall_clock_that_is_set_makes_no_latencies(
    serve: Serve, sent: Sent, monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    """Set by an hour in the middle of it all: no answer came before its request, and none took an hour."""
    looks = Counter[int]()
    real = time.time

    def stepped() -> float:
        looks[0] += 1
        return real() + (step if looks[0] > 4 else 0.0)

    monkeypatch.setattr(gather, "time", stepped)
    outcome = drive(plan(serve(hello).url))
    whole(outcome)
    assert quick(sent) > 0
    assert outcome.errors == {}
    assert (outcome.histogram("service").maximum or 0.0) < 60.0
