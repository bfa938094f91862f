"""Orders of soaks: taken one at a time, kept over a restart, made up for or skipped by the stated rule."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from soak.config import Schedule
from soak.schedule import Order, SchedulePart
from soak_storage import Store, open_store
from soak_storage.jobs import Job, Jobs
from tests.common import wait_until

HOURLY = Schedule(every=3600.0)
Make = Callable[..., SchedulePart]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store of its own."""
    with open_store(f"sqlite:///{tmp_path}/soak.db", environ={}) as opened:
        yield opened


@pytest.fixture
def make(store: Store) -> Iterator[Make]:
    """Parts that were started."""
    made: list[SchedulePart] = []

    def start(schedule: Schedule = HOURLY) -> SchedulePart:
        made.append(SchedulePart(Jobs(store, "here"), "orders-api", schedule))
        made[-1].initialize()
        return made[-1]

    yield start
    for part in made:
        part.shutdown()


def stored(store: Store) -> Job:
    """The job as the store has it."""
    (job,) = Jobs(store, "here").all()
    return job


def was_due(store: Store, ago: float, trigger: str = "every 1h") -> float:
    """Put a start into the store that was due so many seconds ago, as a daemon leaves it when it is killed."""
    due = time.time() - ago
    Jobs(store, "here").put(Job("here", "orders-api", trigger, due))
    return due


def test_an_interval_begins_at_once_and_is_remembered(store: Store, make: Make) -> None:
    """The first start is ordered now, the next an hour later, and that is in the store."""
    before = time.time()
    part = make()
    part.loop(0.0)
    order = part.take(0.1)
    assert order is not None and before - 0.001 <= order.due <= time.time()
    assert part.next_start == pytest.approx(order.due + 3600.0)
    assert stored(store).next_due == pytest.approx(order.due + 3600.0)
    part.done(order, run_id=7)
    assert (stored(store).last_run, stored(store).last_due) == (7, order.due)


def test_a_restart_knows_what_is_due(store: Store, make: Make) -> None:
    """A daemon that is started again waits for the time that was due, and does not begin anew."""
    due = was_due(store, ago=-1200.0)
    part = make()
    part.loop(0.0)
    assert part.take(0.05) is None
    assert part.next_start == pytest.approx(due)


def test_the_job_of_another_daemon_on_this_host_stays(store: Store, make: Make) -> None:
    """One Postgres has the jobs of many daemons: what one of them starts with is its own."""
    other = Job("here", "payments", "every 6h", 1000.0, last_run=3)
    Jobs(store, "here").put(other)
    make()
    assert other in Jobs(store, "here").all()


def test_a_missed_start_within_the_grace_is_made_up_for(
    store: Store, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """20 minutes late of an hour: less than half, so it is started, and that is said."""
    due = was_due(store, ago=1200.0)
    part = make()
    part.loop(0.0)
    with caplog.at_level(logging.WARNING, "soak"):
        order = part.take(0.1)
    assert order is not None and order.due == pytest.approx(due)
    assert "made up for" in caplog.text


def test_one_missed_for_longer_is_skipped(store: Store, make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """40 minutes late of an hour: more than half, so the next one counts, and that is said."""
    due = was_due(store, ago=2400.0)
    part = make()
    part.loop(0.0)
    with caplog.at_level(logging.WARNING, "soak"):
        assert part.take(0.1) is None
    assert "skipped" in caplog.text
    assert part.next_start == pytest.approx(due + 3600.0)


def test_several_missed_starts_are_one(store: Store, make: Make) -> None:
    """Down for 5 h 10 min: the last of the starts is made up for, the others are not."""
    due = was_due(store, ago=5 * 3600.0 + 600.0)
    part = make()
    part.loop(0.0)
    order = part.take(0.1)
    assert order is not None and order.due == pytest.approx(due + 5 * 3600.0)
    assert part.take(0.05) is None


def test_several_missed_starts_by_the_clock_are_one(store: Store, make: Make) -> None:
    """Down for three days and five minutes of a daily start: that of five minutes ago is made up for."""
    due = (time.time() - 300.0) // 60 * 60
    cron = time.strftime("%M %H * * *", time.gmtime(due))
    was_due(store, ago=time.time() - due + 3 * 86400.0, trigger=f"cron {cron} UTC")
    part = make(Schedule(cron=cron, timezone="UTC"))
    part.loop(0.0)
    order = part.take(0.1)
    assert order is not None and order.due == pytest.approx(due)
    assert part.take(0.05) is None
    assert part.next_start == pytest.approx(due + 86400.0)


def test_another_schedule_forgets_what_was_due(store: Store, make: Make) -> None:
    """The configuration is the truth: with another text the stored time no longer holds."""
    was_due(store, ago=60.0, trigger="cron 0 22 * * * UTC")
    hour = (time.gmtime().tm_hour + 12) % 24  # far from now: it does not become due meanwhile
    part = make(Schedule(cron=f"0 {hour} * * *", timezone="UTC"))
    part.loop(0.0)
    assert part.take(0.05) is None
    assert part.next_start is not None and time.gmtime(part.next_start).tm_hour == hour


def test_a_start_during_a_soak_is_skipped(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """Starts every second while the first soak goes on: none is ordered until it is done."""
    part = make(Schedule(every=1.0))

    def ordered() -> Order | None:
        part.loop(0.0)
        return part.take(0.05)  # None also for one that is taken more than half a second late: the next one comes

    first = wait_until(ordered)
    assert first is not None
    with caplog.at_level(logging.WARNING, "soak"):
        wait_until(lambda: ordered() is not None or "a soak is still going on" in caplog.text)
    assert "a soak is still going on" in caplog.text, "a second was ordered"
    part.done(first)
    second = wait_until(ordered)
    assert second is not None and second.due > first.due


def test_a_reload_changes_the_schedule(store: Store, make: Make) -> None:
    """Another schedule takes effect at once, the same one changes nothing."""
    part = make()
    part.loop(0.0)
    before = part.next_start
    part.use(HOURLY)
    assert part.next_start == before
    part.use(Schedule(cron="30 4 * * *", timezone="UTC"))
    assert part.next_start is not None and time.gmtime(part.next_start)[3:5] == (4, 30)
    assert stored(store).trigger == "cron 30 4 * * * UTC"
