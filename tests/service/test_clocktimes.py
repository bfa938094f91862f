"""When a schedule is due: cron through the nights of the clock change, weekdays as crontab counts them, intervals."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from soak.clocktimes import BadSchedule, described, grace_of, next_starts, trigger_of
from soak.config import Schedule

BERLIN = ZoneInfo("Europe/Berlin")


def starts(cron: str, after: datetime, count: int, zone: str = "Europe/Berlin") -> list[str]:
    """The next starts in UTC, to the minute."""
    trigger = trigger_of(Schedule(cron=cron, timezone=zone))
    return [found.astimezone(UTC).strftime("%m-%d %H:%M") for found in next_starts(trigger, after, count)]


def test_a_night_start_keeps_to_the_clock_of_its_zone() -> None:
    """22:00 in Berlin is 21:00 UTC in winter and 20:00 in summer: once a night on both sides of each change."""
    assert starts("0 22 * * *", datetime(2026, 3, 27, 22, tzinfo=UTC), 3) == [
        "03-28 21:00",
        "03-29 20:00",
        "03-30 20:00",
    ]
    assert starts("0 22 * * *", datetime(2026, 10, 23, 22, tzinfo=UTC), 3) == [
        "10-24 20:00",
        "10-25 21:00",
        "10-26 21:00",
    ]


def test_a_time_that_the_clocks_skip_comes_as_much_later() -> None:
    """29 March 2026: from 02:00 to 03:00 in Berlin. 02:30 is taken at 03:30 (01:30 UTC), the next night at 02:30."""
    assert starts("30 2 * * *", datetime(2026, 3, 28, 12, tzinfo=UTC), 2) == ["03-29 01:30", "03-30 00:30"]


def test_a_time_that_comes_twice_is_taken_the_first_time() -> None:
    """25 October 2026: 02:30 is at 00:30 UTC and again at 01:30 UTC. One start, also when asked between the two."""
    assert starts("30 2 * * *", datetime(2026, 10, 24, 12, tzinfo=UTC), 2) == ["10-25 00:30", "10-26 01:30"]
    between = datetime(2026, 10, 25, 1, 0, tzinfo=UTC)  # 02:00 for the second time
    assert starts("30 2 * * *", between, 1) == ["10-26 01:30"]


def test_every_start_after_one_is_told_however_late_it_is() -> None:
    """Asked on Thursday for what follows Monday 22:00: Tuesday, as the scheduler wants to know the last one missed."""
    trigger = trigger_of(Schedule(cron="0 22 * * *", timezone="Europe/Berlin"))
    monday, thursday = datetime(2026, 6, 1, 22, tzinfo=BERLIN), datetime(2026, 6, 4, 22, 5, tzinfo=BERLIN)
    assert trigger.get_next_fire_time(monday, thursday) == monday + timedelta(days=1)
    autumn = datetime(2026, 10, 24, 22, tzinfo=BERLIN)  # over the change of the clocks, too
    following = trigger.get_next_fire_time(autumn, autumn + timedelta(days=9))
    assert following.astimezone(UTC) == datetime(2026, 10, 25, 21, tzinfo=UTC)


def test_half_hours_never_go_back() -> None:
    """Through both nights the starts of every half hour only go forward, and none comes twice."""
    trigger = trigger_of(Schedule(cron="*/30 * * * *", timezone="Europe/Berlin"))
    for day in (datetime(2026, 3, 28, 22, tzinfo=UTC), datetime(2026, 10, 24, 22, tzinfo=UTC)):
        found = [start.astimezone(UTC) for start in next_starts(trigger, day, 20)]
        gaps = {after - before for before, after in pairwise(found)}
        assert gaps <= {timedelta(minutes=30), timedelta(minutes=90)}  # the repeated hour is left out


@pytest.mark.parametrize(
    ("weekday", "days"),
    [
        ("1-5", "Mon Tue Wed Thu Fri"),
        ("0", "Sun"),
        ("7", "Sun"),
        ("fri-mon", "Fri Sat Sun Mon"),
        ("*/3", "Sun Wed Sat"),
    ],
)
def test_weekdays_are_those_of_crontab(weekday: str, days: str) -> None:
    """0 and 7 are Sunday, 1 is Monday; a range may go over the end of the week."""
    trigger = trigger_of(Schedule(cron=f"0 22 * * {weekday}", timezone="UTC"))
    found = next_starts(trigger, datetime(2026, 6, 1, tzinfo=UTC), 21)
    assert {f"{start:%a}" for start in found} == set(days.split())


@pytest.mark.parametrize(
    ("schedule", "key"),
    [
        (Schedule(cron="99 22 * * *"), "cron"),
        (Schedule(cron="0 22 * * 8"), "cron"),
        (Schedule(cron="0 22 * * *", timezone="Europe/Atlantis"), "timezone"),
    ],
)
def test_what_no_schedule_can_be_is_named(schedule: Schedule, key: str) -> None:
    """An hour 99, a weekday 8, a zone that sank."""
    with pytest.raises(BadSchedule) as error:
        trigger_of(schedule)
    assert error.value.key == key


def test_how_late_a_start_may_be() -> None:
    """Half the time to the next one, at most an hour: a night an hour, ten minutes five."""
    night = trigger_of(Schedule(cron="0 22 * * *", timezone="UTC"))
    assert grace_of(night, datetime(2026, 6, 1, 22, tzinfo=UTC)) == 3600.0
    assert grace_of(trigger_of(Schedule(every=600.0)), datetime(2026, 6, 1, tzinfo=UTC)) == 300.0
    assert described(Schedule(every=600.0)) == "every 10m"
