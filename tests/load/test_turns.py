"""Users that ask again in the moment in which they are answered: counted as all others are."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import Iterator

import pytest

from soak.load import ScenarioPlan, users
from soak.load.backoff import SOFT_FAILURES
from soak.load.histogram import bucket_of
from tests.common import PATIENCE_S
from tests.load.conftest import Client, drive
from tests.load.turning import BUSY, COMPILED, MANY, OK, Serve, landed, noting_turns, plan, whole

pytestmark = COMPILED


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """How many turns were taken."""
    yield from noting_turns(monkeypatch)


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
