"""What the service did beside the growth: uptime by its checks, how it took its faults, the states it was in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from soak.checks.health import UNHEALTHY, uptime
from soak.report.breaches import finding
from soak.report.inputs import RunData
from soak.report.service_text import uptime_words
from soak.report.units import duration, plural
from soak.states import figures, periods_of
from soak_storage.records import EventRow


def checks_part(data: RunData) -> list[dict[str, Any]]:
    """Per check: share of the time in which it was not unhealthy, how often it became so, what was said last."""
    return [_check(data, name, events) for name, events in _by(data.of_kind("check"), "name")]


def _check(data: RunData, name: object, events: list[EventRow]) -> dict[str, Any]:
    end = _end(data)
    periods = [(event.t0, end if event.t1 is None else event.t1, str(event.detail["state"])) for event in events]
    away = [event for event in events if event.detail["state"] == UNHEALTHY]
    return {
        "name": name,
        "uptime": uptime(periods),
        "times_unhealthy": len(away),
        "seconds_unhealthy": sum(t1 - t0 for t0, t1, state in periods if state == UNHEALTHY),
        "asked": max(int(event.detail.get("asked", 0)) for event in events),
        "failed": max(int(event.detail.get("failed", 0)) for event in events),
        "why": str(away[-1].detail.get("why", "")) if away else None,
    }


def faults_part(data: RunData) -> list[dict[str, Any]]:
    """Per fault of the configuration: how often it was done, and how long the target took to answer again."""
    return [_fault(number, events) for number, events in _by(data.of_kind("fault"), "number")]


def _fault(number: object, events: list[EventRow]) -> dict[str, Any]:
    done = [event for event in events if not event.detail.get("why")]
    times = sorted(float(event.detail["recovered"]) for event in done if event.detail.get("recovered") is not None)
    return {
        "number": number,
        "fault": events[0].detail["fault"],
        "process": events[0].detail["process"],
        "done": len(done),
        "recovered": len(times),
        "recovery_seconds": {"median": times[len(times) // 2], "max": times[-1]} if times else None,
        "why": next((event.detail["why"] for event in events if event.detail.get("why")), None),
    }


def states_part(data: RunData) -> list[dict[str, Any]]:
    """Per state probe: transitions, seconds in each state, failures per hour, MTBF and MTTR in seconds."""
    names = dict.fromkeys(str(event.detail["probe"]) for event in data.of_kind("state"))
    return [{"probe": name, **asdict(figures(periods_of(data.events, name, _end(data))))} for name in names]


def service_findings(checks: Iterable[dict[str, Any]], faults: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Checks that became unhealthy, as warnings; faults after which the target did not answer within the cycle."""
    return [*map(_unhealthy, (one for one in checks if one["times_unhealthy"])), *_unrecovered(faults)]


def _unhealthy(check: dict[str, Any]) -> dict[str, Any]:
    message = (
        f"check {check['name']} was unhealthy {plural(check['times_unhealthy'], 'time')}, "
        f"{duration(check['seconds_unhealthy'])} in all (uptime {uptime_words(check['uptime'])}): {check['why']}"
    )
    return finding("check", None, message, "warn", what=check["name"], value=check["uptime"])


def _unrecovered(faults: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for fault in faults:
        missing = fault["done"] - fault["recovered"]
        if missing and fault["recovered"]:  # without any recovery at all there may have been nothing to ask
            times = f"{missing} of {fault['done']} times"
            message = f"after the fault {fault['fault']} the target did not answer within its cycle, {times}"
            yield finding("check", None, message, what=f"fault {fault['number']}", value=missing)


def _end(data: RunData) -> float:
    """When the run ended, in seconds since its start."""
    ends = [event.t1 for event in data.events if event.t1 is not None]
    return max([cycle.t1 for cycle in data.cycles] + ends, default=0.0)


def _by(events: Iterable[EventRow], key: str) -> list[tuple[object, list[EventRow]]]:
    grouped: dict[object, list[EventRow]] = {}
    for event in events:
        grouped.setdefault(event.detail.get(key), []).append(event)
    return list(grouped.items())
