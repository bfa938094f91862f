"""The engine against real servers: pacing, pool, errors by kind, drops, back-off, users."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from soak.load import LoadPlan, ScenarioPlan
from tests.common import PATIENCE_S
from tests.load.conftest import Client, WireServer, certificate, drive, free_port, hello

Serve = Callable[..., WireServer]


def plan(url: str, *scenarios: ScenarioPlan, **values: object) -> LoadPlan:
    """One cycle of 0.6 s, loaded for 0.5 s."""
    settings = {"cycle": 0.6, "cycles": 1, "quiet": 0.1, "timeout": PATIENCE_S, **values}
    return LoadPlan(url, scenarios or (ScenarioPlan(count=20),), **settings)  # type: ignore[arg-type]


def answering(answer: bytes, after: float = 0.0) -> Callable[[Client], object]:
    """A server that answers each request in this way."""

    async def handle(client: Client) -> None:
        while True:
            await client.head()
            await asyncio.sleep(after)
            await client.send(answer)

    return handle


def test_requests_arrive_at_their_times_in_full(serve: Serve) -> None:
    """A sawtooth of 0 to 80/s over 0.5 s is 20 requests; the server sees them where sqrt puts them.

    The nearest of five tries counts: what a busy machine adds to one is not the generator's.
    """
    seen: list[float] = []

    async def noting(client: Client) -> None:
        while True:
            await client.head()
            seen.append(time.monotonic())
            await client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    server = serve(noting)
    wanted = plan(server.url, ScenarioPlan(), low=0.0, high=80.0)
    # 80 u = k + 1/2 with due(u) = 80 u^2 gives u = sqrt((k + 1/2) / 80); the first arrival is the zero of the offsets
    expected = [((k + 0.5) / 80) ** 0.5 for k in range(20)]
    medians = []
    for _ in range(5):
        seen.clear()
        outcome = drive(wanted)
        assert outcome.total("due") == outcome.total("sent") == outcome.total("landed") == 20
        offsets = [moment - seen[0] - (when - expected[0]) for moment, when in zip(sorted(seen), expected, strict=True)]
        medians.append(sorted(abs(offset) for offset in offsets)[10])
        if medians[-1] < 0.02:
            break
    assert min(medians) < 0.02


def test_one_connection_serves_many_requests_and_closes_in_the_quiet_part(serve: Serve) -> None:
    """Twenty requests, one or few connections; all of them closed by us within the quiet part."""
    server = serve(hello)
    quiet = replace(plan(server.url), cycle=PATIENCE_S, quiet=PATIENCE_S - 0.5)
    outcome = drive(quiet, until=lambda so_far: bool(server.clients) and all(one.closed for one in server.clients))
    assert outcome.total("landed") == 20
    assert len(server.clients) < 20
    assert {client.ending for client in server.clients} == {"eof"}


def test_kept_connections_go_on_into_the_next_cycle(serve: Serve) -> None:
    """With connections = "keep" two cycles need no more connections than one; else the second opens its own."""
    counts = {}
    for choice in ("keep", "close-in-quiet"):
        server = serve(hello)
        drive(plan(server.url, ScenarioPlan(users=1), cycle=2.0, quiet=1.0, cycles=2, connections=choice))
        counts[choice] = len(server.clients)
    assert counts == {"keep": 1, "close-in-quiet": 2}


def test_scenarios_are_counted_by_themselves(serve: Serve) -> None:
    """Each with its own weight, method, headers and body."""
    got: dict[bytes, int] = {}

    async def reading(client: Client) -> None:
        while True:
            head = await client.head()
            body = await client.exactly(8) if head.startswith(b"POST") else b""
            line = head.split(b"\r\n")[0] + b" " + body
            got[line] = got.get(line, 0) + 1
            assert b"X-Who: me" in head or head.startswith(b"GET")
            await client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    server = serve(reading)
    read = ScenarioPlan("read", path="/r?x=1 2", weight=3)
    write = ScenarioPlan("write", method="POST", path="/w", body=b'{"a": 1}', headers={"X-Who": "me"})
    outcome = drive(plan(server.url + "/api/", read, write, profile="constant", high=80.0))
    assert outcome.total("landed", "read") + outcome.total("landed", "write") == 40
    assert abs(outcome.total("landed", "read") - 30) <= 1
    assert set(got) == {b"GET /api/r?x=1%202 HTTP/1.1 ", b'POST /api/w HTTP/1.1 {"a": 1}'}


@pytest.mark.parametrize(
    ("answer", "errors", "landed"),
    [
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", {"status_500": 20}, 20),
        (b"HTTP/1.1 301 Moved\r\nContent-Length: 0\r\n\r\n", {}, 20),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", {}, 20),
    ],
)
def test_answers_land_whatever_their_status(serve: Serve, answer: bytes, errors: dict[str, int], landed: int) -> None:
    """A 500 lands and is an error; a redirect is none; a closed connection is replaced."""
    outcome = drive(plan(serve(answering(answer)).url))
    assert (outcome.counts("errors"), outcome.total("landed")) == (errors, landed)


def test_what_is_expected_can_be_said(serve: Serve) -> None:
    """With status = [404] a 404 is right; an answer that takes longer than max_ms is slow."""
    missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    assert drive(plan(serve(answering(missing)).url, ScenarioPlan(count=5, status=(404,)))).counts("errors") == {}
    late = serve(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", after=0.05))
    assert drive(plan(late.url, ScenarioPlan(count=5, max_s=0.04))).counts("errors") == {"slow": 5}


def test_garbage_and_early_ends_are_errors_and_then_an_outage(serve: Serve) -> None:
    """Three in a row are an outage: the rest is withheld until a probe succeeds, and all of it is accounted for."""
    for answer, kind in ((b"garbage\r\n\r\n", "malformed"), (b"", "closed")):

        async def bad(client: Client, answer: bytes = answer) -> None:
            await client.head()
            await client.send(answer)

        outcome = drive(plan(serve(bad).url))
        errors = outcome.counts("errors")
        assert set(errors) == {kind}
        assert 3 <= errors[kind] < 20  # those in flight when the third failed are counted too
        assert outcome.total("withheld") == 20 - errors[kind]


def test_a_silent_target_times_out(serve: Serve) -> None:
    """After the timeout the request is an error, and its latency counts with the time it was waited for."""

    async def silent(client: Client) -> None:
        client.ending = await client.until_end()

    outcome = drive(plan(serve(silent).url, ScenarioPlan(count=2), timeout=0.3))
    assert outcome.counts("errors") == {"timeout": 2}
    assert 0.28 < (outcome.histogram("response").quantile(0.5) or 0) < PATIENCE_S


def test_more_than_may_be_in_flight_is_dropped_and_counted(serve: Serve) -> None:
    """Four in flight at a target that answers after 0.2 s: of 40 in 0.5 s at most 12 go out, the others are drops."""
    server = serve(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", after=0.2))
    outcome = drive(plan(server.url, ScenarioPlan(count=40), max_in_flight=4))
    assert outcome.total("sent") + outcome.total("dropped") == outcome.total("due") == 40
    assert 4 <= outcome.total("sent") <= 12
    assert len(server.clients) <= 4
    assert any(delta.limited for delta in outcome.deltas)


def test_a_target_that_is_down_is_left_in_peace(serve: Serve) -> None:
    """Nobody listens: hardly more than one attempt, all others withheld, and the outage is recorded as going on."""
    outcome = drive(plan(f"http://127.0.0.1:{free_port()}"))
    assert set(outcome.errors) == {"refused"}
    assert 1 <= outcome.errors["refused"] <= 10  # those that a busy machine fired at once
    assert outcome.total("withheld") + outcome.errors["refused"] == 20
    assert [(end, why) for delta in outcome.deltas for _, end, why in delta.outages] == [(None, "refused")]


def test_load_resumes_when_the_target_is_back(serve: Serve) -> None:
    """The server starts half a second late: the probe after one second lands, the outage ends, load flows again."""
    port = free_port()
    starter = threading.Timer(0.5, lambda: serve(hello, port))
    starter.start()
    enough = lambda so_far: so_far.total("landed") >= 15 and not so_far.in_flight  # noqa: E731
    outcome = drive(plan(f"http://127.0.0.1:{port}", ScenarioPlan(rate=40), cycle=70.0, quiet=10.0), until=enough)
    starter.join()
    refused = outcome.errors.pop("refused")  # one, and one more for each probe that a slow start of the server meets
    assert refused <= 4
    assert outcome.total("withheld") + outcome.total("dropped") + outcome.total("landed") + refused <= outcome.total(
        "due"
    )
    outages = [outage for delta in outcome.deltas for outage in delta.outages]
    assert outages[-1][1] is not None
    assert outages[-1][1] - outages[-1][0] > 0.9


def test_a_target_that_pushes_back_is_left_in_peace(serve: Serve) -> None:
    """429 with Retry-After: 1 holds everything back at once; the same answer is no matter where it is expected."""
    busy = b"HTTP/1.1 429 Too Many\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
    outcome = drive(plan(serve(answering(busy)).url))
    assert set(outcome.errors) == {"status_429"}
    assert 1 <= outcome.errors["status_429"] <= 10  # those that were under way when the first one came
    assert outcome.total("withheld") + outcome.errors["status_429"] == 20
    assert drive(plan(serve(answering(busy)).url, ScenarioPlan(count=20, status=(429,)))).total("landed") == 20


def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next_one(serve: Serve) -> None:
    """A server that sends a second answer a little later: the connection goes, nothing is counted wrongly."""

    async def twice(client: Client) -> None:
        while True:
            await client.head()
            await client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await asyncio.sleep(0.005)
            await client.send(b"HTTP/1.1 500 Late\r\nContent-Length: 0\r\n\r\n")

    outcome = drive(plan(serve(twice).url, ScenarioPlan(count=4)))
    assert outcome.counts("errors") == {}
    assert outcome.total("landed") == 4


def test_a_stale_connection_costs_no_error(serve: Serve) -> None:
    """The server closes each connection after its first answer without saying so: reads are sent again."""

    async def one_answer(client: Client) -> None:
        await client.head()
        await client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await client.head()  # reads the next one, and hangs up instead of answering

    outcome = drive(plan(serve(one_answer).url))
    assert outcome.counts("errors") == {}
    assert outcome.total("landed") == 20


def test_a_stall_of_the_target_is_seen_in_full(serve: Serve) -> None:
    """1 s of silence at 200/s: the percentiles are those of the computed truth, not those of coordinated omission.

    The server times the stall itself, so that a busy machine moves the truth and what is measured together.
    """
    asked, held, freed = [0], [0.0], [0.0]

    async def stalling(client: Client) -> None:
        while True:
            await client.head()
            asked[0] += 1
            if asked[0] > 100 and not freed[0]:
                held[0] = held[0] or time.monotonic()
                while time.monotonic() < held[0] + 1.0:
                    await asyncio.sleep(held[0] + 1.0 - time.monotonic())
                freed[0] = freed[0] or time.monotonic()
            await client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    outcome = drive(plan(serve(stalling).url, ScenarioPlan(rate=200), cycle=2.2, quiet=0.2))
    assert outcome.total("landed") == 400
    # Request k is due at (k + 1/2) / 200; the 101st is the first one held, and those after it wait for what is left
    truth = sorted([0.0] * 100 + [max(0.0, freed[0] - held[0] - k / 200) for k in range(300)])
    response = outcome.histogram("response")
    for q in (0.75, 0.9, 0.95):
        assert truth[int(q * 400)] * 0.98 <= response.quantile(q) <= truth[int(q * 400)] + 0.3


def test_users_wait_for_their_answers(serve: Serve) -> None:
    """Three users at a target that takes 50 ms: never more than three at once, about 10 requests each in 0.5 s."""
    now, most = [0], [0]

    async def counting(client: Client) -> None:
        while True:
            await client.head()
            now[0] += 1
            most[0] = max(most[0], now[0])
            await asyncio.sleep(0.05)
            now[0] -= 1
            await client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    server = serve(counting)
    outcome = drive(plan(server.url, ScenarioPlan(), profile="constant", users=3))
    assert most[0] == 3
    assert 12 <= outcome.total("landed") <= 33
    assert outcome.counts("errors") == {}


def test_users_of_a_named_profile_keep_their_pace(serve: Serve) -> None:
    """Ten users of "normal" send one request each in the first second, however fast the target is."""
    outcome = drive(plan(serve(hello).url, ScenarioPlan(), profile="normal"))
    assert outcome.total("landed") == 10


def test_users_are_patient_with_a_target_that_fails(serve: Serve) -> None:
    """A user whose request failed waits a second: five users cause five errors, never a tight loop."""
    broken = serve(answering(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"))
    outcome = drive(plan(broken.url, ScenarioPlan(), profile="constant", users=5))
    assert outcome.counts("errors") == {"status_500": 5}


def test_tls_is_spoken(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that SSL_CERT_FILE vouches for is accepted, any other one is a `tls` error."""
    path, context = certificate(tmp_path)
    server = serve(hello, tls=context)
    url = server.url.replace("http:", "https:")
    assert set(drive(plan(url, ScenarioPlan(count=5))).errors) == {"tls"}
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    outcome = drive(plan(url, ScenarioPlan(count=10, faults={"abandon": 0.2})))
    assert outcome.counts("errors") == {}
    assert outcome.total("landed") + sum(outcome.counts("faulted").values()) == 10
