"""The closed model: users that wait for their answers, keep their pace and are patient with a target that fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from soak.load import LoadPlan, ScenarioPlan
from tests.common import PATIENCE_S
from tests.load.conftest import Client, Outcome, WireServer, drive, hello

Serve = Callable[..., WireServer]


def plan(url: str, **values: object) -> LoadPlan:
    """One cycle, loaded for 0.5 s unless `values` say otherwise."""
    settings = {"cycle": 0.6, "cycles": 1, "quiet": 0.1, "timeout": PATIENCE_S, **values}
    return LoadPlan(url, (ScenarioPlan(),), **settings)  # type: ignore[arg-type]


def test_users_wait_for_their_answers(serve: Serve) -> None:
    """Three users at a target that answers three at a time: never more than three at once, and never fewer for long."""
    now, most = [0], [0]
    three: list[asyncio.Barrier] = []

    async def counting(client: Client) -> None:
        three.extend([] if three else [asyncio.Barrier(3)])
        while True:
            await client.head()
            now[0] += 1
            most[0] = max(most[0], now[0])
            await three[0].wait()
            now[0] -= 1
            await client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    loaded = plan(serve(counting).url, profile="constant", users=3, cycle=2 * PATIENCE_S)
    outcome = drive(loaded, until=lambda so_far: so_far.total("landed") >= 30)
    assert most[0] == 3
    assert outcome.counts("errors") == {}


def seconds_of(what: Callable[[], Outcome]) -> tuple[Outcome, int]:
    """What it gives, and how many seconds it went on: less than one where nothing holds this machine up."""
    began = time.monotonic()
    return what(), int(time.monotonic() - began + 0.01)


def test_users_of_a_named_profile_keep_their_pace(serve: Serve) -> None:
    """Ten users of "normal" send one request each per second, however fast the target is."""
    wanted = plan(serve(hello).url, profile="normal")
    outcome, seconds = seconds_of(lambda: drive(wanted))
    assert 10 <= outcome.total("landed") <= 10 + 10 * seconds


def test_users_are_patient_with_a_target_that_fails(serve: Serve) -> None:
    """A user whose request failed waits a second: five users cause five errors, never a tight loop."""

    async def broken(client: Client) -> None:
        while True:
            await client.head()
            await client.send(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")

    wanted = plan(serve(broken).url, profile="constant", users=5)
    outcome, seconds = seconds_of(lambda: drive(wanted))
    assert set(outcome.errors) == {"status_500"}
    assert 5 <= outcome.errors["status_500"] <= 5 + 5 * seconds
