"""When a schedule is due: cron in a time zone, through the two nights in which its clocks are changed, and intervals.

Each time of day runs once a day: one that comes twice (autumn) is taken the first time, one that the clocks skip
(spring) as much later as they skip. APScheduler's own CronTrigger would run 02:30 twice in the autumn night, and counts
weekdays from Monday where crontab counts from Sunday.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from soak.config import Schedule, format_duration

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
LONGEST_GRACE = 3600.0  # seconds: a night that begins later than that would end in the working day


class BadSchedule(Exception):
    """A schedule that cannot be: `key` of [schedule], and what is allowed there."""

    def __init__(self, key: str, allowed: str) -> None:
        super().__init__(f"schedule.{key}: {allowed}")
        self.key = key
        self.allowed = allowed


class ClockTrigger(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """Cron on the clock of a time zone."""

    def __init__(self, cron: str, zone: tzinfo) -> None:
        """`cron` is minute, hour, day, month, weekday (0 and 7: Sunday); a day and a weekday must both fit."""
        minute, hour, day, month, weekday = cron.split()
        self._zone = zone
        # In UTC every time of day comes once: the local clock is looked at as if it were that of UTC.
        self._clock = CronTrigger(
            minute=minute, hour=hour, day=day, month=month, day_of_week=_weekdays(weekday), timezone=UTC
        )

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        """The first due time after `previous`, or from `now` on when there is none; in the zone."""
        after = now if previous is None else previous.astimezone(UTC) + timedelta(microseconds=1)
        face = after.astimezone(self._zone).replace(tzinfo=UTC, fold=0)
        while True:
            found: datetime | None = self._clock.get_next_fire_time(None, face)
            if found is None:
                return None
            due = _instant(found, self._zone)
            if due >= after:
                return due.astimezone(self._zone)
            face = found + timedelta(seconds=1)


def _instant(face: datetime, zone: tzinfo) -> datetime:
    """The first moment at which a clock of `zone` shows `face`; if it never does, as much later as it jumps.

    With fold=0, PEP 495 takes the offset before the change in both cases.
    """
    return face.replace(tzinfo=zone, fold=0).astimezone(UTC)


def _weekdays(field: str) -> str:
    """The weekday field of a crontab in names, which mean the same everywhere: `1-5` is `mon,tue,wed,thu,fri`."""
    days: list[str] = []
    for part in field.lower().split(","):
        span, _, step = part.partition("/")
        begin, _, end = ("sun", "", "sat") if span == "*" else span.partition("-")
        first, last = _day(begin), _day(end or begin)
        if last < first:  # fri-mon goes over the end of the week
            last += 7
        days += [_DAYS[number % 7] for number in range(first, last + 1, int(step or 1))]
    return ",".join(dict.fromkeys(days))


def _day(text: str) -> int:
    if text[:3] in _DAYS:
        return _DAYS.index(text[:3])
    number = int(text)
    if number > 7:
        raise ValueError(f"a weekday is 0 to 7, not {number}")
    return number


def trigger_of(schedule: Schedule) -> BaseTrigger:
    """The trigger of a schedule; BadSchedule when its cron or its time zone is none."""
    if schedule.every is not None:
        return IntervalTrigger(seconds=schedule.every, timezone=UTC, start_date=datetime.fromtimestamp(0, UTC))
    assert schedule.cron is not None
    try:
        return ClockTrigger(schedule.cron, zone_of(schedule))
    except (ValueError, TypeError) as error:
        raise BadSchedule("cron", f"minute, hour, day, month and weekday, written as in crontab ({error})") from error


def zone_of(schedule: Schedule) -> tzinfo:
    """The time zone of cron: the one that is written, else that of the machine."""
    from tzlocal import get_localzone

    if schedule.timezone is None:
        return get_localzone()
    try:
        return ZoneInfo(schedule.timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise BadSchedule("timezone", 'the name of a time zone such as "Europe/Berlin"') from error


def described(schedule: Schedule) -> str:
    """The schedule as one text: with another text, what was due before no longer holds."""
    if schedule.every is not None:
        return f"every {format_duration(schedule.every)}"
    return f"cron {schedule.cron} {schedule.timezone or 'local time'}"


def next_starts(trigger: BaseTrigger, after: datetime, count: int) -> list[datetime]:
    """The `count` next due times from `after` on."""
    starts: list[datetime] = []
    while len(starts) < count:
        found = trigger.get_next_fire_time(starts[-1] if starts else None, after)
        if found is None:
            break
        starts.append(found)
    return starts


def grace_of(trigger: BaseTrigger, due: datetime) -> float:
    """How late a start may be made up for, in seconds: half the time until the one after it, at most an hour."""
    following = trigger.get_next_fire_time(due, due)
    if following is None:
        return LONGEST_GRACE
    gap: float = (following - due).total_seconds()
    return min(LONGEST_GRACE, gap / 2.0)
