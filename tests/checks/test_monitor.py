"""Checks beside a run: when they ask, what they record, what they call, and that they never wait."""

from __future__ import annotations

import threading
from typing import Any

from soak.checks import Checks, Hours, Outcome
from soak.config import Check
from soak_storage.records import EventRow
from tests.common import wait_until

ALWAYS = Hours(cycle=1e9, quiet=0.0)
GOOD = Outcome(True, 1.0)
BAD = Outcome(False, 1.0, "it answered 503")


def check(**settings: Any) -> Check:
    """One that asks every ten seconds and takes two failures seriously."""
    return Check(**{"name": "api", "kind": "http", "interval": 10.0, "timeout": 5.0, "failures": 2, **settings})


class Service:
    """A service that passes its check or does not, and counts."""

    def __init__(self) -> None:
        self.outcome = GOOD
        self.asked = 0

    def ask(self, _check: Check) -> Outcome:
        self.asked += 1
        return self.outcome


def step(checks: Checks, service: Service, now: float) -> list[EventRow]:
    """Ask at `now`, wait for the answer, take it."""
    asked = service.asked
    events = list(checks.loop(now))
    wait_until(lambda: service.asked > asked)
    wait_until(lambda: bool(events.extend(checks.loop(now)) or checks.due > now + 1))
    return [event for event in events if isinstance(event, EventRow)]


def test_states_and_their_events() -> None:
    """healthy, degraded at the first failure, unhealthy at the second, healthy again: each lasts until the next."""
    service, called = Service(), []
    checks = Checks(
        [check(on_unhealthy="webhook")],
        ALWAYS,
        on_unhealthy={"webhook": lambda check, why: called.append((check.name, why))},
        ask=service.ask,
    )
    assert checks.health == "unknown"
    first = step(checks, service, 0.0)
    assert [(event.detail["state"], event.t0, event.t1) for event in first] == [("healthy", 0.0, None)]
    assert step(checks, service, 10.0) == []  # nothing changed
    service.outcome = BAD
    second = step(checks, service, 20.0)
    assert [(event.detail["state"], event.t0, event.t1) for event in second] == [
        ("healthy", 0.0, 20.0),
        ("degraded", 20.0, None),
    ]
    assert second[0].key == first[0].key and checks.health == "degraded" and not called
    third = step(checks, service, 30.0)
    assert third[1].detail == {
        "name": "api",
        "state": "unhealthy",
        "before": "degraded",
        "why": "it answered 503",
        "asked": 4,
        "failed": 2,
    }
    assert called == [("api", "it answered 503")] and checks.health == "unhealthy"
    step(checks, service, 40.0)
    assert len(called) == 1  # once per change, not at every failure
    service.outcome = GOOD
    assert [event.detail["state"] for event in step(checks, service, 50.0)] == ["unhealthy", "healthy"]
    assert [(event.t0, event.t1) for event in checks.finish(60.0)] == [(50.0, 60.0)]


def test_nothing_is_asked_in_the_silence() -> None:
    """Cycle of 60 s with 20 s of quiet: from second 50 to 60 nobody asks, and the next moment is the next cycle."""
    service = Service()
    checks = Checks([check()], Hours(60.0, 20.0), ask=service.ask)
    step(checks, service, 45.0)
    assert list(checks.loop(55.0)) == [] and service.asked == 1
    assert checks.due == 60.0
    step(checks, service, 60.0)
    assert service.asked == 2


def test_the_next_look_is_always_ahead() -> None:
    """However long an answer takes, and though the silence has begun since a check was due: nobody spins until then."""
    never, hung = threading.Event(), Service()

    def ask(check: Check) -> Outcome:
        never.wait()
        return hung.ask(check)

    stuck = Checks([check(timeout=30.0)], ALWAYS, ask=ask)
    for now in (0.0, 0.2, 5.0):
        list(stuck.loop(now))
        assert now < stuck.due <= now + 0.1
    never.set()
    service = Service()
    late = Checks([check()], Hours(60.0, 20.0), ask=service.ask)
    step(late, service, 35.0)
    assert list(late.loop(55.0)) == [] and late.due == 60.0  # due at 45 already


def test_one_that_hangs_delays_nobody() -> None:
    """A check that never returns fails at its timeout; `loop` returns at once, other checks go on."""
    never, calm = threading.Event(), Service()

    def ask(check: Check) -> Outcome:
        if check.name == "stuck":
            never.wait()
        return calm.ask(check)

    checks = Checks([check(name="stuck", failures=1), check(name="calm")], ALWAYS, ask=ask)
    list(checks.loop(0.0))
    wait_until(lambda: bool(list(checks.loop(0.1))) or checks.states["calm"] == "healthy")
    (event,) = (event for event in checks.loop(6.1) if isinstance(event, EventRow))
    assert event.detail["name"] == "stuck" and event.detail["why"] == "no answer within 5 s"
    assert checks.states == {"stuck": "unhealthy", "calm": "healthy"}
    never.set()
