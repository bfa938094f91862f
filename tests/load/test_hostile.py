"""Hostile clients do on the wire what their names say: the server looks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from unittest.mock import patch

import pytest

from soak.load import LoadPlan, ScenarioPlan
from soak.load.single import Single
from tests.common import PATIENCE_S, wait_until
from tests.load.conftest import Client, Outcome, WireServer, burst, drive, ended, stays

Serve = Callable[..., WireServer]
BODY = b"x" * 65_536


PATIENT_FAULTS = ("timeout", "slow_reader", "half_request", "endless_headers")  # they stay until the timeout


def attack(server: WireServer, fault: str, **scenario: object) -> Outcome:
    """Four requests within 0.4 s, each of them a `fault`; afterwards the server has seen the end of each.

    Each has all the time in the world to connect; the patient ones have stayed for their timeout of 0.5 s then.
    """
    values = ScenarioPlan(faults={fault: 1.0}, **scenario)  # type: ignore[arg-type]
    timeout = 0.5 if fault in PATIENT_FAULTS else PATIENCE_S
    with stays() as seconds, patch.object(Single, "timed_out", lambda connecting: None):
        outcome = drive(burst(server.url, 4, 0.4, values, timeout=timeout), until=ended(4))
    assert len(seconds) == 4
    assert fault not in PATIENT_FAULTS or min(seconds) > 0.49
    wait_until(lambda: len(server.clients) == 4 and all(client.closed for client in server.clients))
    return outcome


async def silent(client: Client) -> None:
    """Reads and never answers."""
    client.ending = await client.until_end()


async def half_an_answer(client: Client) -> None:
    """Answers with the first part of a long body, then waits for the client to go."""
    await client.head()
    await client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"y" * 1000)
    client.ending = await client.until_end()


def test_an_abandoned_upload_ends_in_the_middle_of_the_body(serve: Serve) -> None:
    """Half of the announced body arrives, then the client closes."""
    server = serve(silent)
    outcome = attack(server, "abandon", method="POST", body=BODY)
    assert outcome.counts("faulted") == {"abandon": 4}
    for client in server.clients:
        head, _, body = bytes(client.received).partition(b"\r\n\r\n")
        assert b"Content-Length: 65536" in head
        assert len(body) == 32_768
        assert client.ending == "eof"


def test_an_abandoned_request_leaves_while_the_server_works(serve: Serve) -> None:
    """A server that does not answer is left long before the timeout, the whole request having been sent."""
    server = serve(silent)
    outcome = attack(server, "abandon")
    assert outcome.counts("faulted") == {"abandon": 4}
    for client in server.clients:
        assert bytes(client.received).endswith(b"\r\n\r\n")


def test_an_abandoned_response_is_left_at_its_first_bytes(serve: Serve) -> None:
    """The client goes when the answer has begun; nothing counts as landed or failed."""
    server = serve(half_an_answer)
    outcome = attack(server, "abandon")
    assert outcome.counts("faulted") == {"abandon": 4}
    assert outcome.total("landed") == 0
    assert outcome.counts("errors") == {}


def test_a_reset_arrives_as_rst(serve: Serve) -> None:
    """The server's read fails with ECONNRESET instead of ending."""
    server = serve(silent)
    outcome = attack(server, "reset")
    assert outcome.counts("faulted") == {"reset": 4}
    assert [client.ending for client in server.clients] == ["reset"] * 4


def test_a_timed_out_client_sends_all_and_reads_nothing(serve: Serve) -> None:
    """It stays for the timeout although the answer is there, then goes."""
    server = serve(half_an_answer)
    outcome = attack(server, "timeout")
    assert outcome.counts("faulted") == {"timeout": 4}
    assert all(bytes(client.received).endswith(b"\r\n\r\n") for client in server.clients)


def test_a_slow_reader_makes_the_answer_pile_up_at_the_server(serve: Serve) -> None:
    """Of 20 MB the server can get rid of little before the client goes."""
    sent: list[int] = []

    async def big(client: Client) -> None:
        await client.head()
        sent.append(0)
        place = len(sent) - 1
        client.writer.transport.set_write_buffer_limits(high=0)
        client.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n")
        for _ in range(2000):
            await client.send(b"z" * 10_000)
            sent[place] += 10_000

    server = serve(big)
    outcome = attack(server, "slow_reader")
    assert outcome.counts("faulted") == {"slow_reader": 4}
    assert len(sent) == 4
    assert all(count < 10_000_000 for count in sent)


def test_a_vanishing_client_sends_nothing(serve: Serve) -> None:
    """It connects and goes without a byte."""
    server = serve(silent)
    outcome = attack(server, "vanish")
    assert outcome.counts("faulted") == {"vanish": 4}
    assert [bytes(client.received) for client in server.clients] == [b""] * 4


def test_half_a_request_stops_within_its_head(serve: Serve) -> None:
    """The request line arrives, the empty line never does, the connection stays until the timeout."""
    server = serve(silent)
    outcome = attack(server, "half_request")
    assert outcome.counts("faulted") == {"half_request": 4}
    for client in server.clients:
        assert client.received.startswith(b"GET / HTTP/1.1\r\n")
        assert b"\r\n\r\n" not in client.received


def test_endless_headers_keep_coming(serve: Serve) -> None:
    """One header after the other arrives, and never the end of the head, be the client patient or not."""
    server = serve(silent)
    outcome = attack(server, "endless_headers")
    assert outcome.counts("faulted") == {"endless_headers": 4}
    patient = serve(silent)
    plan = burst(patient.url, 1, 0.1, ScenarioPlan(faults={"endless_headers": 1.0}), timeout=PATIENCE_S)
    drive(plan, until=lambda _: any(b"X-Endless-3" in client.received for client in list(patient.clients)))
    for client in [*server.clients, *patient.clients]:
        assert client.received.count(b"X-Endless-") >= 1
        assert b"\r\n\r\n" not in client.received


def test_faults_have_their_share(serve: Serve) -> None:
    """A tenth abandons, a twentieth vanishes, the others land: of 200 requests to within two each."""

    async def hello(client: Client) -> None:
        while True:
            await client.head()
            await client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    server = serve(hello)
    faults = {"abandon": 0.1, "vanish": 0.05}
    scenario = ScenarioPlan(count=200, faults=faults)
    outcome = drive(LoadPlan(server.url, (scenario,), cycle=1.2, cycles=1, quiet=0.2, timeout=PATIENCE_S))
    faulted = outcome.counts("faulted")
    assert abs(faulted["abandon"] - 20) <= 2
    assert abs(faulted["vanish"] - 10) <= 2
    assert outcome.total("landed") == 200 - sum(faulted.values())
    assert outcome.counts("errors") == {}


@pytest.mark.parametrize("fault", ["reset", "slow_reader"])
def test_the_server_recovers_between_faults(serve: Serve, fault: str) -> None:
    """Half the requests do harm; every one of the others lands, and no connection of ours stays."""
    open_now: set[int] = set()

    async def counting(client: Client) -> None:
        open_now.add(client.number)
        try:
            while True:
                await client.head()
                await asyncio.sleep(0.005)
                await client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        finally:
            open_now.discard(client.number)

    server = serve(counting)
    plan = LoadPlan(
        server.url, (ScenarioPlan(count=60, faults={fault: 0.5}),), cycle=1.0, cycles=1, quiet=0.4, timeout=PATIENCE_S
    )
    outcome = drive(plan)
    assert outcome.total("landed") + sum(outcome.counts("faulted").values()) == 60
    assert outcome.counts("errors") == {}
    assert wait_until(lambda: not open_now)
