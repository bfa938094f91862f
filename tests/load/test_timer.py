"""Alarms ring once, at their time and not before, on uvloop and on plain asyncio; the whole engine runs on both."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
import uvloop

from soak.load import LoadPlan, ScenarioPlan
from soak.load.timer import Alarm, LoopAlarm, TimerFd
from tests.common import PATIENCE_S
from tests.load.conftest import WireServer, drive, hello

Serve = Callable[..., WireServer]
Make = Callable[[asyncio.AbstractEventLoop, Callable[[], None]], Alarm]
Runner = Callable[..., object]


async def rung(make: Make, *settings: float) -> list[float]:
    """Set an alarm to these offsets from now, one after the other at once; when it rang, as offsets.

    Once it has rung, it has some time to do so again.
    """
    loop, rings = asyncio.get_running_loop(), []
    began = time.monotonic()
    alarm = make(loop, lambda: rings.append(time.monotonic() - began))
    for offset in settings:
        alarm.set(began + offset)
    while not rings and time.monotonic() < began + PATIENCE_S:
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.1)
    alarm.close()
    return rings


@pytest.mark.parametrize("run", [uvloop.run, asyncio.run])
@pytest.mark.parametrize("make", [TimerFd, LoopAlarm])
@pytest.mark.parametrize(
    ("settings", "expected"), [((0.05,), 0.05), ((-1.0,), 0.0), ((2 * PATIENCE_S, 0.05), 0.05), ((0.01, 0.06), 0.06)]
)
def test_an_alarm_rings_once_at_its_last_setting(
    run: Runner, make: Make, settings: tuple[float, ...], expected: float
) -> None:
    """In time, at once when its time is past, and only for the last of several settings."""
    rings = run(rung(make, *settings))
    assert len(rings) == 1  # type: ignore[arg-type]
    assert rings[0] >= expected - 0.002  # type: ignore[index]


def test_a_closed_alarm_is_silent() -> None:
    """Closing twice is fine."""

    async def go() -> list[int]:
        rings: list[int] = []
        for make in (TimerFd, LoopAlarm):
            alarm = make(asyncio.get_running_loop(), lambda: rings.append(1))
            alarm.set(time.monotonic() + 0.02)
            alarm.close()
            alarm.close()
        await asyncio.sleep(0.05)
        return rings

    assert asyncio.run(go()) == []


def test_the_engine_runs_on_plain_asyncio(serve: Serve) -> None:
    """Where uvloop is missing: the same requests, streams and hostile clients."""
    scenarios = (ScenarioPlan("a", count=20), ScenarioPlan("b", count=4, faults={"reset": 0.5, "slow_reader": 0.5}))
    plan = LoadPlan(serve(hello).url, scenarios, cycle=0.7, cycles=1, quiet=0.1, timeout=PATIENCE_S)
    outcome = drive(plan, loop=asyncio.run)
    assert outcome.counts("errors") == {}
    assert outcome.total("landed", "a") == 20
    assert sum(outcome.counts("faulted").values()) == 4
