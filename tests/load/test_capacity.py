"""The capacity profile finds the step at which the target breaks, says why, and sees it recover."""

from __future__ import annotations

import asyncio
import select
import time
from collections.abc import Callable

import pytest

from soak.load import Histogram, LoadDelta, LoadGenerator, LoadPlan, ScenarioPlan
from soak.load.capacity import CapacityWatch
from soak.load.shapes import Capacity
from tests.load.conftest import Client, Outcome, WireServer

Serve = Callable[..., WireServer]


def watch() -> CapacityWatch:
    """Steps of 10 s: 100, 110, 121 ... requests/s."""
    return CapacityWatch(Capacity(10, 1, 100, cycles=10), 10)


def second(t: float, due: int = 100, bad: int = 0, took: float = 0.01) -> LoadDelta:
    """One second's report."""
    response = Histogram()
    for _ in range(due - bad):
        response.record(took)
    errors = {"status_503": bad} if bad else {}
    return LoadDelta(t, t + 1, int(t // 10), "work", due=due, sent=due, landed=due, errors=errors, response=response)


def test_a_target_that_carries_everything_does_not_break() -> None:
    """Half a percent of errors and 900 ms are within the limits."""
    capacity = watch()
    capacity.add([second(t, due=200, bad=1, took=0.9) for t in range(60)])
    assert capacity.breaking is None
    assert capacity.sentence() == "the target did not break"
    assert capacity.to_json() is None


@pytest.mark.parametrize(
    ("bad", "took", "reason", "measured"), [(20, 0.01, "errors", 0.2), (0, 1.2, "p99", pytest.approx(1.2, rel=0.01))]
)
def test_errors_and_latency_break_it(bad: int, took: float, reason: str, measured: float) -> None:
    """In the third step: 121 requests/s are too many, 110 were carried."""
    capacity = watch()
    capacity.add([second(t) for t in range(20)])
    capacity.add([second(20, bad=bad, took=took)])
    found = capacity.breaking
    assert found is not None
    assert (found.cycle, found.reason, found.measured) == (2, reason, measured)
    assert (found.rate, found.carried) == (pytest.approx(121), pytest.approx(110))


def test_memory_breaks_it_too() -> None:
    """Above 95 % of what the target may use, told by whoever looks at the target."""
    capacity = watch()
    capacity.memory(5.0, 0.94)
    assert capacity.breaking is None
    capacity.memory(15.0, 0.97)
    assert capacity.sentence().startswith("broke at 110 requests/s (it carried 100) with memory 97%")


def test_a_handful_of_requests_is_not_judged() -> None:
    """One error in 20 is 5 %, and says nothing."""
    capacity = watch()
    capacity.add([second(0, due=20, bad=1)])
    assert capacity.breaking is None


def test_recovery_is_the_time_until_the_last_bad_second() -> None:
    """Broken at 21 s, bad until 24 s, then good for long enough to believe it."""
    capacity = watch()
    capacity.add([second(20, bad=50), second(21, bad=50), second(23, bad=1), second(24)])
    assert capacity.recovery_s is None
    capacity.add([second(t) for t in range(25, 32)])
    assert capacity.recovery_s == pytest.approx(24 - 21)


@pytest.mark.slow
def test_a_real_target_is_broken_and_recovers(serve: Serve) -> None:
    """A server that answers 503 above 70 requests/s breaks in a step of 50, 55, 60 ...; then it recovers."""
    recent: list[float] = []

    async def limited(client: Client) -> None:
        while True:
            await client.head()
            now = time.monotonic()
            recent.append(now)
            del recent[: sum(moment < now - 0.5 for moment in recent)]
            status = b"503 Busy" if len(recent) > 35 else b"200 OK"
            await asyncio.sleep(0)
            await client.send(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")

    plan = LoadPlan(serve(limited).url, (ScenarioPlan(),), "capacity", cycle=3.0, cycles=12, quiet=0.3, low=50, high=50)
    generator = LoadGenerator(plan)
    deltas: list[LoadDelta] = []
    generator.start(time.monotonic() + 0.4)
    try:
        while generator.running:
            select.select([generator], [], [], 1)
            deltas += generator.poll()
        assert generator.capacity is not None
        found = generator.capacity.breaking
        assert found is not None
        assert found.reason == "errors"
        assert found.rate <= 95
        after = Outcome([delta for delta in deltas if delta.t0 > (found.cycle + 1) * 3.0])
        assert after.total("landed") > 10
        assert after.counts("errors") == {}
    finally:
        generator.close()
