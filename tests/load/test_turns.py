"""Users that ask again in the moment in which they are answered: counted as all others are."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from types import MethodType
from typing import Any

import pytest

from soak.load import LoadPlan, ScenarioPlan, compiled, profiles, turns, users
from soak.load.accounts import Accounts
from soak.load.backoff import SOFT_FAILURES
from soak.load.compiled import LIBRARY
from soak.load.engine import Engine
from soak.load.gather import POSSIBLE, Prompt
from soak.load.histogram import bucket_of
from soak.load.profiles import Named
from soak.load.tally import Tally
from soak.load.turns import Turns
from tests.common import PATIENCE_S
from tests.load.conftest import Client, Outcome, WireServer, drive, hello

Serve = Callable[..., WireServer]
pytestmark = pytest.mark.skipif(not (POSSIBLE and LIBRARY.exists()), reason="nothing was compiled here: no C compiler")

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
MANY = 400  # requests: enough that most of them are in turns, whatever comes between
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """How many turns were taken; while they are, no connection is lost sight of."""
    noted = Counter[str]()
    turned, run, alone = Accounts.turned, Turns.run, Engine.alone

    def count(accounts: Accounts, tallies: Sequence[Tally], landed: Sequence[int], *rest: Any) -> None:
        noted["turns"] += len(landed)
        turned(accounts, tallies, landed, *rest)

    def look(some: Turns) -> bool:
        noted["tries"] += 1
        went = run(some)
        pool: Any = some._engine.pool
        noted["lost"] += sum(one.job is None and one not in pool.idle for one in pool._all)
        return went

    def limit(engine: Engine, now: float) -> float:
        until = alone(engine, now)
        noted["too long"] += until > max(min(engine._schedule[0][0], engine._until), 0)
        noted["in trouble"] += bool(getattr(engine.pool, "opening", None))
        noted["in trouble"] += until > 0 and engine.accounts.backoff.troubled
        return until

    monkeypatch.setattr(Engine, "alone", limit)
    monkeypatch.setattr(Accounts, "turned", count)
    monkeypatch.setattr(Turns, "run", look)
    monkeypatch.setattr(turns, "LEAST_S", 0.0)
    monkeypatch.setattr(turns, "ENOUGH", 1)
    monkeypatch.setattr(turns, "CREDIT", 1000)
    yield noted
    assert (noted["too long"], noted["in trouble"], noted["lost"]) == (0, 0, 0)


def plan(url: str, *scenarios: ScenarioPlan, **values: Any) -> LoadPlan:
    """Four users, in one cycle that is longer than any test."""
    settings = {"profile": "constant", "users": 4, "cycle": 3 * PATIENCE_S, "quiet": 1.0, "timeout": PATIENCE_S}
    return LoadPlan(url, scenarios or (ScenarioPlan(),), **{"cycles": 1, **settings, **values})


def landed(count: int) -> Callable[[Outcome], bool]:
    """So many have landed."""
    return lambda so_far: so_far.total("landed") >= count


def whole(outcome: Outcome, timeouts: int = 0) -> None:
    """Each is counted once: as due, as sent, and how it ended; what was cut off at the end is no error."""
    sent = outcome.total("sent")
    unanswered = sum(count for kind, count in outcome.errors.items() if not kind.startswith("status_"))
    cut = outcome.counts("faulted")
    assert set(cut) <= {"cut_off"}
    assert outcome.total("due") == sent + outcome.total("withheld")
    assert sent == outcome.total("landed") + unanswered + cut.get("cut_off", 0)
    assert outcome.histogram("response").counts == outcome.histogram("service").counts
    assert outcome.histogram("response").count == outcome.total("landed") + timeouts
    assert outcome.histogram("lateness").count == 0
    last = {delta.scenario: delta.in_flight for delta in outcome.deltas}
    assert set(last.values()) == {0}


def test_they_are_counted_as_all_others_are(serve: Serve, taken: Counter[str]) -> None:
    """All but a few are turns; the server saw as many as were sent, never more at once than there are users."""
    seen = Counter[str]()

    async def noting(client: Client) -> None:
        while True:
            assert (await client.head()).startswith(b"GET / HTTP/1.1")
            seen["asked"] += 1
            seen["now"] += 1
            seen["most"] = max(seen["most"], seen["now"])
            await asyncio.sleep(0)
            seen["now"] -= 1
            await client.send(OK)

    server = serve(noting)
    outcome = drive(plan(server.url), until=landed(MANY))
    whole(outcome)
    assert outcome.errors == {}
    assert outcome.total("landed") <= seen["asked"] <= outcome.total("sent")
    assert (seen["most"] <= 4, len(server.clients)) == (True, 4)
    assert MANY / 2 < taken["turns"] <= outcome.total("landed")
    longest = outcome.histogram("response")
    assert 0 < longest.max_us < PATIENCE_S * 1e6


def test_each_latency_is_that_of_its_own_request(serve: Serve, taken: Counter[str]) -> None:
    """One of two users is answered 20 ms later than the other: his latencies say so, and only his."""
    asked = Counter[int]()

    async def slow(client: Client) -> None:
        while True:
            await client.head()
            asked[client.number] += 1
            await asyncio.sleep(0.02 * client.number)
            await client.send(OK)

    outcome = drive(plan(serve(slow).url, users=2), until=lambda _: asked[1] > 20)
    whole(outcome)
    took = outcome.histogram("response")
    late = sum(count for bucket, count in took.counts.items() if bucket >= bucket_of(19_900))
    assert 15 <= late <= outcome.total("landed") / 2
    assert took.sum_us >= late * 19_900
    assert taken["turns"] > outcome.total("landed") / 2


def test_an_unusual_answer_goes_the_way_of_all_others(serve: Serve, taken: Counter[str]) -> None:
    """Other lengths, pieces, chunks, a new head each time, now and then: each is what it is."""
    unusual: list[list[bytes]] = [
        [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nthree"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"2\r\nok\r\n", b"0\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"],
        [b"HTTP/1.1 302 Over there\r\nContent-Length: 0\r\n\r\n"],
        [OK[:-1], OK[-1:]],
        [b"HTTP/1.1 100 Continue\r\n\r\n" + OK],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: never\r\n\r\nok"],
    ]
    asked = Counter[int]()

    async def sometimes(client: Client) -> None:
        while True:
            await client.head()
            asked[0] += 1
            number, rest = divmod(asked[0], 50)
            pieces = [OK] if rest else unusual[number % len(unusual)]
            for piece in pieces:
                await client.send(piece)
                await asyncio.sleep(0.001 if len(pieces) > 1 else 0)
            if b"close" in pieces[0]:
                return

    outcome = drive(plan(serve(sometimes).url), until=landed(3 * MANY))
    whole(outcome)
    assert outcome.errors == {}
    assert taken["turns"] > MANY


def test_a_server_that_hangs_up_without_a_word_costs_nothing(serve: Serve, taken: Counter[str]) -> None:
    """After every twentieth answer: what was on its way is sent again, and none fails."""

    async def impatient(client: Client) -> None:
        for _ in range(20):
            await client.head()
            await client.send(OK)

    server = serve(impatient)
    outcome = drive(plan(server.url), until=landed(MANY))
    whole(outcome)
    assert outcome.errors == {}
    assert len(server.clients) >= MANY / 20
    assert taken["turns"] > 0


@pytest.mark.parametrize(("abort", "kind"), [(True, "reset"), (False, "closed")])
def test_what_breaks_is_called_what_it_is(serve: Serve, taken: Counter[str], abort: bool, kind: str) -> None:
    """A POST that is not answered is not sent again: it failed, by a reset or by an end, as the kernel says."""
    asked = Counter[int]()

    async def breaking(client: Client) -> None:
        while True:
            await client.head()
            asked[0] += 1
            if asked[0] == MANY // 2:
                if abort:
                    sock = client.writer.get_extra_info("socket")
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            await client.send(OK)

    outcome = drive(plan(serve(breaking).url, ScenarioPlan(method="POST")), until=landed(MANY))
    whole(outcome)
    assert outcome.errors == {kind: 1}
    assert taken["turns"] > 0


def test_garbage_is_an_error(serve: Serve, taken: Counter[str]) -> None:
    """Once, in the middle; the others go on, and that user after a second."""
    asked = Counter[int]()

    async def garbling(client: Client) -> None:
        while True:
            await client.head()
            asked[0] += 1
            await client.send(b"garbage\r\n\r\n" if asked[0] == MANY // 2 else OK)

    outcome = drive(plan(serve(garbling).url), until=landed(MANY))
    whole(outcome)
    assert outcome.errors == {"malformed": 1}
    assert taken["turns"] > 0


def test_one_that_pushes_back_is_left_in_peace(serve: Serve, taken: Counter[str]) -> None:
    """503 to everybody from some moment on: each user waits, and no turn is taken any more."""
    asked, before = Counter[int](), 200

    async def tired(client: Client) -> None:
        while True:
            await client.head()
            asked[0] += 1
            await client.send(OK if asked[0] <= before else BUSY)

    refused = lambda so_far: so_far.errors.get("status_503", 0) >= SOFT_FAILURES  # noqa: E731
    outcome = drive(plan(serve(tired).url), until=refused)
    whole(outcome)
    assert 0 < taken["turns"] <= before
    assert set(outcome.errors) == {"status_503"}
    assert outcome.errors["status_503"] < before / 4


def test_failures_are_in_a_row_only_where_nothing_goes_well_between(
    serve: Serve, taken: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 to one of twenty, again and again: each is an error, and no reason to leave the target in peace."""
    monkeypatch.setattr(users, "FIRST_WAIT", 0.01)
    asked = Counter[int]()

    async def busy(client: Client) -> None:
        while True:
            await client.head()
            asked[0] += 1
            await client.send(OK if asked[0] % 20 else BUSY)

    refused = lambda so_far: so_far.errors.get("status_503", 0) > 3 * SOFT_FAILURES  # noqa: E731
    outcome = drive(plan(serve(busy).url), until=refused)
    whole(outcome)
    assert outcome.total("withheld") == 0
    assert taken["turns"] > 0


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
