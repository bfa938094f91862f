"""When users take turns and when not: time, pace, number, body, scenario, and where it never goes well."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from types import MethodType
from typing import Any

import pytest

from soak.load import ScenarioPlan, compiled, profiles, turns
from soak.load.engine import Engine
from soak.load.gather import Prompt
from soak.load.profiles import Named
from soak.load.turns import Turns
from tests.common import PATIENCE_S
from tests.load.conftest import Client, Outcome, drive, hello
from tests.load.turning import COMPILED, MANY, OK, Serve, landed, noting_turns, plan, whole

pytestmark = COMPILED


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """How many turns were taken."""
    yield from noting_turns(monkeypatch)


def test_no_turn_is_taken_when_its_time_is_over(
    serve: Serve, taken: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is due next is due at once, again and again: Python reads the answers."""
    monkeypatch.setattr(Engine, "alone", lambda engine, now: now + 1e-9)
    outcome = drive(plan(serve(hello).url), until=landed(MANY))
    whole(outcome)
    assert (taken["turns"], taken["tries"] > 0) == (0, True)


def test_users_that_are_dismissed_ask_nothing_more(serve: Serve, taken: Counter[str]) -> None:
    """Three cycles: nothing is sent in their quiet parts, and each cycle has what was due in it."""
    outcome = drive(plan(serve(hello).url, cycle=0.4, cycles=3, quiet=0.2))
    whole(outcome)
    assert outcome.errors == {}
    assert taken["turns"] > 0
    assert outcome.in_flight == 0
    for delta in outcome.deltas:
        assert delta.due == 0 or delta.t0 < (delta.cycle + 1) * 0.4


def test_users_keep_their_pace(serve: Serve, taken: Counter[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks once in ten milliseconds takes no turns: what he waits for is not the answer."""
    monkeypatch.setitem(profiles.NAMED, "normal", Named(4, 0.01, 1.0))
    began = time.monotonic()
    outcome = drive(plan(serve(hello).url, profile="normal"), until=landed(100))
    assert outcome.total("sent") <= 4 + 4 * (time.monotonic() - began) / 0.01
    assert taken["turns"] == 0


def test_fewer_users_are_fewer_requests_at_once(serve: Serve, taken: Counter[str]) -> None:
    """Eight users, then two: in the end no more than two wait at a time."""
    now: set[int] = set()
    at_once: list[int] = []

    async def noting(client: Client) -> None:
        while True:
            await client.head()
            now.add(client.number)
            await asyncio.sleep(0.001)
            at_once.append(len(now))
            now.discard(client.number)
            await client.send(OK)

    levels = (1.0, 0.25)
    fewer = plan(serve(noting).url, profile="steps", users=8, levels=tuple(8 * level for level in levels), cycle=1.5)
    outcome = drive(fewer)
    whole(outcome)
    assert max(at_once) > 2
    assert max(at_once[-20:]) <= 2
    assert taken["turns"] > 0


@pytest.mark.parametrize("early", [False, True])
def test_a_body_that_does_not_fit_into_the_socket_goes_out_in_the_end(
    serve: Serve, taken: Counter[str], early: bool
) -> None:
    """Eight MiB each to a server that reads them when it likes, and answers after that or `early`."""
    size = 8 << 20
    others: list[bytes] = []

    async def reading(client: Client) -> None:
        while True:
            head = await client.head()
            others.extend([] if head.startswith(b"PUT /large HTTP/1.1\r\n") else [head])
            for answering in (early, not early):
                if answering:
                    await client.send(OK)
                else:
                    await asyncio.sleep(0.005)
                    await client.reader.readexactly(size)

    body = ScenarioPlan(method="PUT", path="/large", body=b"x" * size)
    outcome = drive(plan(serve(reading).url, body, users=2), until=landed(12))
    whole(outcome)
    assert (outcome.errors, others) == ({}, [])
    assert early or taken["turns"] > 0


def test_weights_and_faults_are_kept(serve: Serve, taken: Counter[str]) -> None:
    """Two scenarios, three to one, each with an answer of its own that the other would not expect."""

    async def answering(client: Client) -> None:
        while True:
            missing = b"/missing" in await client.head()
            await client.send(b"HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n" if missing else OK)

    gone = ScenarioPlan(name="gone", path="/missing", status=(404,), weight=1)
    there = ScenarioPlan(name="there", status=(200,), weight=3)
    outcome = drive(plan(serve(answering).url, there, gone), until=landed(MANY))
    whole(outcome)
    assert outcome.errors == {}
    assert abs(outcome.total("landed", "gone") - outcome.total("landed") / 4) <= 8
    assert outcome.total("sent", "gone") - outcome.total("landed", "gone") <= 4
    assert taken["turns"] > MANY / 2


def test_a_head_in_between_is_left_to_those_who_know(serve: Serve, taken: Counter[str]) -> None:
    """One scenario in turns, the other not: in one of three its answer has a body, in the other none."""
    asked = Counter[bytes]()

    async def both(client: Client) -> None:
        fresh = True
        while True:
            method = (await client.head()).split()[0]
            asked[method] += 1
            asked[b"late " + method] += not fresh
            fresh = False
            await client.send(OK if method == b"GET" else OK[:-2])

    get, head = ScenarioPlan(name="get", weight=9), ScenarioPlan(name="head", method="HEAD", weight=1)
    outcome = drive(plan(serve(both).url, get, head), until=landed(MANY))
    whole(outcome)
    assert outcome.errors == {}
    for name, method in (("get", b"GET"), ("head", b"HEAD")):
        assert outcome.total("landed", name) <= asked[method] <= outcome.total("sent", name)
    assert asked[b"late HEAD"] == 0
    assert abs(asked[b"HEAD"] - outcome.total("sent") / 10) <= 8
    assert taken["turns"] > 0


@pytest.mark.parametrize(
    "scenario", [ScenarioPlan(max_s=PATIENCE_S), ScenarioPlan(method="HEAD"), ScenarioPlan(status=(201,))]
)
def test_what_needs_a_closer_look_gets_it(serve: Serve, taken: Counter[str], scenario: ScenarioPlan) -> None:
    """A limit to each latency, answers without their bodies, and a status that is never right."""

    async def bodyless(client: Client) -> None:
        while True:
            head = await client.head()
            await client.send(b"HTTP/1.1 200 OK\r\n\r\n" if head.startswith(b"HEAD") else OK)

    outcome = drive(plan(serve(bodyless).url, scenario), until=landed(4))
    whole(outcome)
    assert taken["turns"] == 0
    assert outcome.errors.get("status_200", 0) == (outcome.total("landed") if scenario.status else 0)


def test_a_user_that_waits_for_ever_is_not_forgotten(serve: Serve, taken: Counter[str]) -> None:
    """One of four is never answered: a timeout, while the others take their turns."""

    async def forgetful(client: Client) -> None:
        while True:
            await client.head()
            if client.number == 2 and client.received.count(b"\r\n\r\n") == 5:
                await client.until_end()
                return
            await client.send(OK)

    timed_out = lambda so_far: so_far.errors.get("timeout", 0) > 0  # noqa: E731
    outcome = drive(plan(serve(forgetful).url, timeout=1.0), until=timed_out)
    assert set(outcome.errors) == {"timeout"}
    whole(outcome, timeouts=outcome.errors["timeout"])
    assert taken["turns"] > 0


def test_where_it_never_goes_well_it_is_hardly_tried(
    serve: Serve, taken: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chunks only: some tries in a row, then one in a while."""
    monkeypatch.setattr(turns, "PAUSE_S", 0.3)
    monkeypatch.setattr(turns, "CREDIT", 0)

    async def chunks(client: Client) -> None:
        while True:
            await client.head()
            await asyncio.sleep(0.001)
            await client.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")

    resumed: list[float] = []
    rate = Turns._rate

    def noting(some: Turns, *counts: int) -> None:
        rate(some, *counts)
        resumed.append(some._resume)

    with monkeypatch.context() as patch:
        patch.setattr(Turns, "_rate", noting)
        outcome = drive(plan(serve(chunks).url), until=lambda _: len(resumed) > 5)
    whole(outcome)
    assert (outcome.errors, taken["turns"]) == ({}, 0)
    assert all(later - sooner >= turns.PAUSE_S for sooner, later in pairwise(resumed))


@pytest.mark.parametrize(("users", "enough"), [(4, turns.ENOUGH), (1000, 1000)])
def test_fewer_turns_than_there_are_users_are_too_few(users: int, enough: int) -> None:
    """Now and then they are made up for by others; where it goes on, the tables would cost more than turns save."""
    engine = Engine(plan("http://127.0.0.1:1"), 0.0)
    engine._plan_events()
    assert isinstance(engine.pool.gather, Prompt)
    assert isinstance(engine.pool.gather.turns, MethodType)
    some: Any = engine.pool.gather.turns.__self__
    some._rate(turns.CREDIT * enough, users)
    for _ in range(100):
        some._rate(0, users)
        some._rate(2 * enough, users)
    assert some._resume == 0.0
    tries = 0
    while not some._resume:
        some._rate(enough // 2, users)
        tries += 1
    assert 1 < tries <= 2 * turns.CREDIT + 1
    first, some._resume = some._resume, 0.0
    assert first > engine.now()
    some._rate(enough, users)
    assert not some._resume
    some._rate(enough - 1, users)
    assert some._resume


def test_what_was_compiled_of_another_version_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """An editable install whose sources have gone on: the structures may differ."""
    assert compiled.library() is not None
    monkeypatch.setattr(compiled, "ABI", compiled.ABI + 1)
    assert compiled.library() is None


def test_a_stranger_among_the_connections_is_heard(serve: Serve, taken: Counter[str]) -> None:
    """One request for which no user waits, then nothing on its connection until the server closes it: it is let go."""
    engines: list[Engine] = []
    closed: list[int] = []
    run = Turns.run

    def once_more(some: Turns) -> bool:
        if taken["turns"] and not engines:
            engines.append(some._engine)
            engines[0].arrive(engines[0].now(), 0, None)
        return run(some)

    async def impatient(client: Client) -> None:
        while True:
            try:
                await asyncio.wait_for(client.head(), 0.2)
            except TimeoutError:
                closed.append(client.number)
                return
            await client.send(OK)

    def heard(so_far: Outcome) -> bool:
        pools: list[Any] = [engine.pool for engine in engines]
        return 4 in closed and [len(pool._all) for pool in pools] == [len(server.clients) - len(closed)]

    server = serve(impatient)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Turns, "run", once_more)
        outcome = drive(plan(server.url), until=heard)
    assert outcome.errors == {}
    cut = outcome.counts("faulted").get("cut_off", 0)
    assert outcome.total("due") == outcome.total("sent") == outcome.total("landed") + cut
    assert taken["turns"] > 0
