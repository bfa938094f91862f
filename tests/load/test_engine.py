"""The engine against real servers: pacing, pool, errors by kind, drops, back-off, users."""

from __future__ import annotations

import asyncio
import math
import resource
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from soak.load import LoadGenerator, LoadPlan, ScenarioPlan
from soak.load.engine import Engine
from soak.load.histogram import bucket_of
from tests.common import PATIENCE_S, free_port
from tests.load.clock import LeapingClock
from tests.load.conftest import Client, Outcome, WireServer, certificate, drive, hello, run, soon

Serve = Callable[..., WireServer]


def plan(url: str, *scenarios: ScenarioPlan, **values: object) -> LoadPlan:
    """One cycle of 0.6 s, loaded for 0.5 s."""
    settings = {"cycle": 0.6, "cycles": 1, "quiet": 0.1, "timeout": PATIENCE_S, **values}
    return LoadPlan(url, scenarios or (ScenarioPlan(count=20),), **settings)  # type: ignore[arg-type]


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def answering(answer: bytes, after: float = 0.0) -> Callable[[Client], object]:
    """A server that answers each request in this way."""

    async def handle(client: Client) -> None:
        while True:
            await client.head()
            await asyncio.sleep(after)
            await client.send(answer)

    return handle


def test_requests_arrive_at_their_times_in_full(serve: Serve) -> None:
    """A sawtooth of 0 to 80/s over 0.5 s is 20 requests; the server sees them where sqrt puts them."""
    clock, seen = LeapingClock(), []

    async def noting(client: Client) -> None:
        while True:
            await client.head()
            seen.append(clock.t)
            await client.send(OK)

    outcome = drive(plan(serve(noting).url, ScenarioPlan(), low=0.0, high=80.0), clock=clock)
    assert outcome.total("due") == outcome.total("sent") == outcome.total("landed") == 20
    # 80 u = k + 1/2 with due(u) = 80 u^2 gives u = sqrt((k + 1/2) / 80)
    assert seen == pytest.approx([((k + 0.5) / 80) ** 0.5 for k in range(20)], abs=1e-6)


def test_no_request_is_sent_before_its_time(serve: Serve) -> None:
    """By the clock of this machine, which may be late but never early."""
    seen: list[float] = []

    async def noting(client: Client) -> None:
        while True:
            await client.head()
            seen.append(time.monotonic())
            await client.send(OK)

    server = serve(noting)
    began = time.monotonic()  # before the zero of the run, which is 0.2 s after it at the earliest
    assert drive(plan(server.url, ScenarioPlan(), low=0.0, high=80.0), lead=0.2).total("landed") == 20
    for k, moment in enumerate(sorted(seen)):
        assert moment - began > 0.2 + ((k + 0.5) / 80) ** 0.5 - 0.001


def test_one_connection_serves_many_requests_and_closes_in_the_quiet_part(serve: Serve) -> None:
    """Twenty requests one after the other, one connection; it is closed by us within the quiet part."""
    server = serve(hello)
    over = lambda so_far: so_far.total("landed") == 20 and all(client.closed for client in server.clients)  # noqa: E731
    drive(plan(server.url), until=over, clock=LeapingClock())  # which never comes to the end of the quiet part
    assert [client.ending for client in server.clients] == ["eof"]


def test_kept_connections_go_on_into_the_next_cycle(serve: Serve) -> None:
    """With connections = "keep" two cycles need no more connections than one; else the second opens its own."""
    for choice, connections in (("keep", 1), ("close-in-quiet", 2)):
        server = serve(hello)
        twice = plan(server.url, ScenarioPlan(count=2), cycles=2, connections=choice)
        assert drive(twice, clock=LeapingClock()).total("landed") == 4
        assert len(server.clients) == connections


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

        outcome = drive(plan(serve(bad).url), clock=LeapingClock())
        assert outcome.counts("errors") == {kind: 3}
        assert outcome.total("withheld") == 17


def test_a_silent_target_times_out(serve: Serve) -> None:
    """After the timeout, and not before it, a request is an error; its latency is the time it was waited for."""
    left: list[int] = []  # in flight when one had timed out

    async def silent(client: Client) -> None:
        client.ending = await client.until_end()

    def both_timed_out(so_far: Outcome) -> bool:
        timeouts = so_far.errors.get("timeout", 0)
        if not timeouts and [bool(client.received) for client in server.clients] == [True, True]:
            clock.now = clock.zero + 2.15
        elif timeouts == 1:
            left.append(so_far.in_flight)
            clock.now = clock.zero + 4.0
        return timeouts == 2

    server, clock = serve(silent), LeapingClock(lambda _: True)
    wanted = plan(server.url, ScenarioPlan(count=2), timeout=2.0, cycle=0.5 + PATIENCE_S, quiet=PATIENCE_S)
    outcome = drive(wanted, until=both_timed_out, clock=clock)
    assert (outcome.errors, outcome.total("landed"), set(left)) == ({"timeout": 2}, 0, {1})
    # Due at 0.125 and 0.375 s: at 2.15 s the second one has waited for less than the timeout
    for which in ("response", "service"):
        waited = [outcome.histogram(which).quantile(q) for q in (0.5, 1.0)]
        assert waited == pytest.approx([2.15 - 0.125, 4.0 - 0.375], rel=0.01)


def test_more_than_may_be_in_flight_is_dropped_and_counted(serve: Serve) -> None:
    """Four in flight at a target that answers when the load is over: of 40 four go out, the others are drops."""
    over = threading.Event()

    async def waiting(client: Client) -> None:
        await client.head()
        while not over.is_set():
            await asyncio.sleep(0.005)
        await client.send(OK)

    def all_answered(so_far: Outcome) -> bool:
        if so_far.total("due") == 40:
            over.set()
        return so_far.total("landed") == 4

    server = serve(waiting)
    wanted = plan(server.url, ScenarioPlan(count=40), max_in_flight=4, cycle=0.5 + PATIENCE_S, quiet=PATIENCE_S)
    outcome = drive(wanted, until=all_answered)
    assert (outcome.total("due"), outcome.total("sent"), outcome.total("dropped")) == (40, 4, 36)
    assert len(server.clients) == 4
    assert any(delta.limited for delta in outcome.deltas)


def test_a_target_that_is_down_is_left_in_peace(serve: Serve) -> None:
    """Nobody listens: one attempt, all others withheld, and the outage is recorded as going on."""
    outcome = drive(plan(f"http://127.0.0.1:{free_port()}"), clock=LeapingClock())
    assert outcome.errors == {"refused": 1}
    assert outcome.total("withheld") == 19
    assert [(end, why) for delta in outcome.deltas for _, end, why in delta.outages] == [(None, "refused")]


def test_load_resumes_when_the_target_is_back(serve: Serve) -> None:
    """The server starts half a second late: the probe after one second lands, the outage ends, load flows again."""
    port, servers = free_port(), []

    def half_a_second_later(engine: Engine) -> bool:
        if clock.t > 0.5 and not servers:
            servers.append(serve(hello, port))
        return not engine.accounts.in_flight

    clock = LeapingClock(half_a_second_later)
    wanted = plan(f"http://127.0.0.1:{port}", ScenarioPlan(rate=40.5), cycle=2.1)
    outcome = drive(wanted, clock=clock)
    assert outcome.errors == {"refused": 1}
    # Request k is due at (k + 1/2) / 40.5: the one of 0.5 / 40.5 s is refused, 41.5 / 40.5 s is the first 1 s later
    assert outcome.total("withheld") == 40
    assert outcome.total("landed") == 81 - 1 - 40
    (began, unknown, _), (start, end, _) = [outage for delta in outcome.deltas for outage in delta.outages]
    assert (began, unknown) == (start, None)
    assert end - start == pytest.approx(41 / 40.5, abs=1e-6)


def test_a_target_that_pushes_back_is_left_in_peace(serve: Serve) -> None:
    """429 with Retry-After: 1 holds everything back at once; the same answer is no matter where it is expected."""
    busy = b"HTTP/1.1 429 Too Many\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
    outcome = drive(plan(serve(answering(busy)).url), clock=LeapingClock())
    assert (outcome.errors, outcome.total("withheld")) == ({"status_429": 1}, 19)
    assert drive(plan(serve(answering(busy)).url, ScenarioPlan(count=20, status=(429,)))).total("landed") == 20


def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next_one(serve: Serve) -> None:
    """A server that sends a second answer a little later: the connection goes, nothing is counted wrongly."""

    async def twice(client: Client) -> None:
        while True:
            await client.head()
            await client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await asyncio.sleep(0.005)
            await client.send(b"HTTP/1.1 500 Late\r\nContent-Length: 0\r\n\r\n")

    server = serve(twice)

    def gone(engine: Engine) -> bool:
        return not engine.accounts.in_flight and all(client.closed for client in server.clients)

    outcome = drive(plan(server.url, ScenarioPlan(count=4)), clock=LeapingClock(gone))
    assert outcome.counts("errors") == {}
    assert outcome.total("landed") == len(server.clients) == 4


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
    """1 s of silence at 200/s: the percentiles are those of the computed truth, not those of coordinated omission."""
    asked, held, until = [0], [0], [0.0]

    async def stalling(client: Client) -> None:
        while True:
            await client.head()
            asked[0] += 1
            if asked[0] > 100 and clock.t < (until[0] or 1e9):
                until[0] = until[0] or clock.t + 0.999
                held[0] += 1
                while clock.t < until[0]:
                    await asyncio.sleep(0.002)
            await client.send(OK)

    def waiting_or_over(engine: Engine) -> bool:
        stalled = 0.0 < clock.t < until[0]
        return engine.accounts.in_flight == (held[0] if stalled else 0)

    clock = LeapingClock(waiting_or_over)
    outcome = drive(plan(serve(stalling).url, ScenarioPlan(rate=200), cycle=2.2, quiet=0.2), clock=clock)
    assert outcome.total("landed") == 400
    # Request k is due at (k + 1/2) / 200; the 101st begins the stall and is answered when the 301st is due
    truth = sorted([0.0] * 200 + [1.0 - k / 200 for k in range(200)])
    response = outcome.histogram("response")
    for q in (0.55, 0.75, 0.9, 0.95):
        assert response.quantile(q) == pytest.approx(truth[math.ceil(q * 400) - 1], rel=0.01)


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


def test_a_connection_of_a_head_is_not_used_again(serve: Serve) -> None:
    """A 204 ends with its head: its connection goes, and a GET that follows is not over before its body is."""
    at_once: list[int] = []
    here: set[int] = set()

    async def both(client: Client) -> None:
        here.add(client.number)
        try:
            while True:
                head = await client.head()
                at_once.append(len(here))
                if head.startswith(b"HEAD"):
                    await client.send(b"HTTP/1.1 204 Nothing\r\n\r\n")
                    continue
                await client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
                await asyncio.sleep(0.05)
                await client.send(b"ok")
        finally:
            here.discard(client.number)

    head, get = ScenarioPlan(name="head", method="HEAD", weight=1), ScenarioPlan(name="get", weight=1)
    wanted = LoadPlan(serve(both).url, (head, get), "constant", 1.2, 1, 0.2, high=60.0, timeout=PATIENCE_S)
    outcome = drive(wanted)
    assert outcome.errors == {}
    assert outcome.total("landed", "head") == outcome.total("sent", "head") > 0
    body = outcome.histogram("service", "get")
    assert body.count and min(body.counts) >= bucket_of(49_000)
    assert at_once[-1] < outcome.total("sent", "head")


def test_a_generator_without_descriptors_says_so(serve: Serve) -> None:
    """Fewer than are needed: the requests that found none are named, and the target is not called unreachable."""

    async def slow(client: Client) -> None:
        while True:
            await client.head()
            await asyncio.sleep(1.0)
            await client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    def confine(generator: LoadGenerator, now: float) -> None:
        for pid in generator.pids:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (40, 40))

    def over(so_far: Outcome) -> bool:
        return so_far.total("landed") + sum(so_far.errors.values()) >= 100

    outcome = run(soon(serve(slow).url, 100, max_in_flight=200), until=over, during=confine)
    assert set(outcome.errors) == {"no_socket"}
    assert outcome.total("landed") + outcome.errors["no_socket"] == outcome.total("sent") == outcome.total("due") == 100
    assert not [outage for delta in outcome.deltas for outage in delta.outages + delta.gaps]
