"""Checks, faults and states of a report in words; apart from what computes them, which loads numpy."""

from __future__ import annotations

from typing import Any

from soak.report.units import duration, plural


def service_lines(report: dict[str, Any]) -> list[str]:
    """What a person is told: a line per check, fault and probe."""
    lines = [
        f"check {one['name']}: uptime {uptime_words(one['uptime'])}"
        for one in report.get("checks", [])
        if one["uptime"] is not None
    ]
    for fault in report.get("faults", []):
        took = fault["recovery_seconds"]
        times = (
            f"answered again after {took['median']:.1f} s (at most {took['max']:.1f})"
            if took
            else fault["why"] or "recovery not seen"
        )
        lines.append(f"fault {fault['fault']} of {fault['process']}, {plural(fault['done'], 'time')}: {times}")
    for probe in report.get("states", []):
        spent = ", ".join(f"{state} {duration(seconds)}" for state, seconds in probe["time_in_state"].items())
        means = [f"{name.upper()} {duration(probe[name])}" for name in ("mtbf", "mttr") if probe[name] is not None]
        lines.append(", ".join([f"{probe['probe']}: {plural(probe['transitions'], 'transition')}; {spent}", *means]))
    return lines


def uptime_words(ratio: float) -> str:
    """An uptime with the digits that count: 97.5 %, 99.987 %."""
    return f"{100.0 * ratio:.5g} %"
