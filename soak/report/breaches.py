"""Findings other than growth and cleanup: peaks, ceilings, errors, latency, cpu, streams, a target that died."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from soak.analysis import judge_ceiling, judge_peak
from soak.report.fingerprint import fingerprint
from soak.report.inputs import TOTAL, Floats, RunData
from soak.report.series import Judged
from soak.report.units import amount, share

# Load windows at or above this share of the highest rate are "the high phase".
HIGH_SHARE = 0.8
OOM_NEAR = 10.0  # seconds between the last sight of a process and the kill that ended it: two samples at their rarest
OF_A_PROCESS = ("fds",)  # ceilings that every process has for itself; the others are of the whole target
# Kinds of errors by which the load engine says that a validation of a stream did not hold, in words.
STREAM_FAULTS = {
    "not_order": "out of order",
    "not_no-duplicates": "duplicates",
    "not_all-delivered": "not all delivered",
    "not_refused": "the one over the limit was not refused",
}
STREAM_COUNTS = ("out_of_order", "duplicates", "missing", "unreadable")


def finding(kind: str, series: str | None, message: str, severity: str = "fail", **more: Any) -> dict[str, Any]:
    """A finding without places in the code; `what` tells two of one kind apart in the fingerprint."""
    what = str(more.pop("what", ""))
    return {
        "kind": kind,
        "series": series,
        "unit": more.pop("unit", None),
        "severity": severity,
        "fingerprint": fingerprint(kind, series, [("", 0, what)] if what else []),
        "message": message,
        "growth_per_hour": None,
        "ci95": None,
        "unexplained_share": None,
        "time_to_limit_hours": None,
        "sites": [],
        **more,
    }


@dataclass(frozen=True)
class Peaks:
    """Broken peaks, and the levels that growth may run into."""

    findings: list[dict[str, Any]]
    ceilings: dict[str, float]


def peaks(data: RunData, series: Sequence[Judged]) -> Peaks:
    """rss against `peak`, each series against its own `peak_<series>`, and what the system allows."""
    totals = {one.info.name: one for one in series if one.info.process == TOTAL}
    found, ceilings = [], _system_ceilings(data)
    if processes(data) > 1:  # a ceiling of each process says nothing about when their sum will reach it
        ceilings = {name: level for name, level in ceilings.items() if name not in OF_A_PROCESS}
    wanted = [("rss", float(data.limits.peak.value), data.limits.peak.relative, "peak")]
    wanted += [(name, level, False, f"peak_{name}") for name, level in data.limits.peaks.items()]
    for name, limit, relative, label in wanted:
        one = totals.get(name)
        if one is None or not one.times.size:
            continue
        result = judge_peak(
            one.times, one.values, data.cycle_seconds, limit, relative, trough=data.trough, restarts=data.restarts
        )
        if np.isfinite(result.allowed) and not result.broken:
            ceilings[label] = result.allowed
        if result.broken:
            unit = one.info.unit
            over = f"{amount(result.allowed, unit)} allowed"
            over += f" ({amount(limit, unit)} over floor and amplitude of the first cycles)" if relative else ""
            when = f"in cycle {int(result.t // data.cycle_seconds) + 1}, {result.phase} phase"
            message = f"{name} reached {amount(result.peak, unit)} {when}; {over}"
            levels = {"peak": result.peak, "allowed": result.allowed, "t": result.t}
            found.append(finding("peak", name, message, "fail", unit=unit, **levels))
    return Peaks(found, ceilings)


def _system_ceilings(data: RunData) -> dict[str, float]:
    """What the system puts over the target, as it was stored at the start: {"fds": 1024, "memory": bytes, …}."""
    stored = data.run.target.get("ceilings")
    items = stored.items() if isinstance(stored, dict) else ()
    return {str(name): float(level) for name, level in items if isinstance(level, int | float) and level > 0}


def ceilings_reached(data: RunData, series: Sequence[Judged]) -> list[dict[str, Any]]:
    """Series that ran into what the system allows: a flat end there is no "slowing"."""
    found = []
    ceilings = _system_ceilings(data)
    several = processes(data) > 1
    for one in series:
        level = ceilings.get("memory" if one.info.name == "rss" else one.info.name)
        single = one.info.name in OF_A_PROCESS and several
        if (one.info.process == TOTAL) is single or level is None or not one.times.size:
            continue
        result = judge_ceiling(one.times, one.values, level)
        if result.reached:
            who = f" of {one.info.process}" if single else ""
            message = f"{one.info.name}{who} ran into its ceiling of {amount(level, one.info.unit)}"
            found.append(finding("ceiling", one.info.name, message, unit=one.info.unit, t=result.t, allowed=level))
    return found


def processes(data: RunData) -> int:
    """How many processes of the target have series of their own."""
    return len({info.process for info in data.infos if info.process != TOTAL})


def load_findings(data: RunData, load: dict[str, Any]) -> list[dict[str, Any]]:
    """Errors and response times beyond their limits."""
    found = []
    limits = data.limits
    ratio = load["errors"] / load["requests"] if load["requests"] else None
    if limits.errors is not None and ratio is not None and ratio > limits.errors:
        kinds = ", ".join(f"{name} {count}" for name, count in list(load["errors_by_kind"].items())[:3])
        message = f"{share(ratio)} of {load['requests']} requests failed; {share(limits.errors)} allowed ({kinds})"
        found.append(finding("errors", None, message, unit="ratio", value=ratio, allowed=limits.errors))
    for name in ("p50", "p95", "p99"):
        allowed, value = getattr(limits, name), load["latency_ms"][name]
        if allowed is not None and value is not None and value > allowed:
            message = f"{name} of the response time is {value:.0f} ms; {allowed:.0f} ms allowed"
            found.append(finding("latency", None, message, unit="ms", value=value, allowed=allowed, what=name))
    return found


def stream_findings(load: dict[str, Any]) -> list[dict[str, Any]]:
    """Streams for which a validation that the user asked for did not hold."""
    found = []
    for scenario in load["scenarios"]:
        errors, checks = scenario["errors_by_kind"], scenario["checks"]
        wrong = {kind: errors[kind] for kind in STREAM_FAULTS if errors.get(kind)}
        if wrong:
            listing = ", ".join(f"{STREAM_FAULTS[kind]} in {count}" for kind, count in wrong.items())
            counted = ", ".join(
                f"{name.replace('_', ' ')} {checks[name]}" for name in STREAM_COUNTS if checks.get(name)
            )
            message = f"Of {checks.get('streams', 0)} streams of {scenario['name']}: {listing}"
            message += f" (messages: {counted})" if counted else ""
            found.append(finding("stream", None, message, what=scenario["name"], checks=checks))
    return found


def cpu_finding(data: RunData, series: Sequence[Judged]) -> list[dict[str, Any]]:
    """Mean cpu of the high phase, in cores, against its limit."""
    one = next((one for one in series if one.info.name == "cpu" and one.info.process == TOTAL), None)
    if data.limits.cpu is None or one is None:
        return []
    values = one.values[_high(data, one.times) & ~np.isnan(one.values)]
    if not values.size or float(values.mean()) <= data.limits.cpu:
        return []
    message = f"cpu is {share(float(values.mean()))} of one core in the high phase; {share(data.limits.cpu)} allowed"
    return [finding("cpu", "cpu", message, unit="ratio", value=float(values.mean()), allowed=data.limits.cpu)]


def _high(data: RunData, times: Floats) -> np.typing.NDArray[np.bool_]:
    """Which of `times` lie in load windows near the highest rate."""
    rates: dict[tuple[float, float], float] = {}
    for window in data.windows:
        if window.t1 > window.t0:
            span = (window.t0, window.t1)
            rates[span] = rates.get(span, 0.0) + window.sent / (window.t1 - window.t0)
    highest = max(rates.values(), default=0.0)
    high = np.zeros(times.size, dtype=bool)
    for (t0, t1), rate in rates.items():
        if rate >= HIGH_SHARE * highest:
            high |= (times >= t0) & (times < t1)
    return high


def _oom_kills(data: RunData) -> list[dict[str, Any]]:
    """Kills for memory that the target outlived: a worker's, when one of its processes went at that time.

    The counter may be of a control group, or a machine, that the target shares with others.
    """
    found = []
    last = max((process.last_t for process in data.processes), default=0.0)
    ends = [process.last_t for process in data.processes if process.last_t < last]
    for event in data.of_kind("oom"):
        cycle = int(event.t0 // data.cycle_seconds) + 1
        lost = any(abs(end - event.t0) <= OOM_NEAR for end in ends)
        if lost:
            message = f"The kernel killed a process of the target for memory in cycle {cycle}"
        else:
            message = (
                f"The kernel killed for memory beside the target, or one of its short-lived processes, in cycle {cycle}"
            )
        found.append(finding("oom", None, message, "fail" if lost else "warn", t=event.t0, what="worker"))
    return found[:1]


def target_findings(data: RunData) -> list[dict[str, Any]]:
    """A target that ended: by its memory limit, or by itself; and a soak that could not be carried out."""
    found = []
    restarted = {event.t0 for event in data.of_kind("restart")}
    for event in data.of_kind("exit"):
        detail = event.detail
        if detail.get("expected"):
            continue
        cycle = int(event.t0 // data.cycle_seconds) + 1
        why = str(
            detail.get("message")
            or detail.get("why")
            or f"ended with {detail.get('kind', 'exit')} {detail.get('code', '')}".strip()
        )
        if detail.get("kind") == "oom":
            found.append(finding("oom", None, f"The target was killed by its memory limit in cycle {cycle}: {why}"))
        else:
            gentle = "warn" if any(t >= event.t0 for t in restarted) else "fail"
            ended = "was gone" if detail.get("kind") == "gone" else "died"
            found.append(finding("target", None, f"The target {ended} in cycle {cycle}: {why}", gentle, what="died"))
    if not any(one["kind"] == "oom" for one in found):
        found += _oom_kills(data)
    error = data.run.error
    if data.run.status == "failed" and not found:
        message = str((error or {}).get("message") or "The soak could not be carried out.")
        found.append(finding("target", None, message, what=str((error or {}).get("code", ""))))
    return found
