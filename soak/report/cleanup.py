"""Cleanup: is each resource back where it was, at once when the load stops, within the grace time, and after faults?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from soak.analysis import judge_cleanup
from soak.analysis.results import CleanupResult
from soak.config.limits import COUNTS
from soak.report.breaches import finding
from soak.report.inputs import TOTAL, Floats, RunData
from soak.report.series import Judged
from soak.report.units import amount, duration

AT_ONCE, IN_TIME, AFTER_FAULTS = "at once", "within grace", "after faults"
_PER_CYCLE = ("tasks",)  # read once a cycle, in the trough: how fast they go nobody has seen


def cleanup(data: RunData, series: Sequence[Judged]) -> list[dict[str, Any]]:
    """The checks of every total that was seen often enough; memory is told and never fails, allocators keep pages."""
    drop = 1.0 - data.run.quiet_seconds / data.cycle_seconds
    if drop <= 0:
        return []
    checks = []
    for one in series:
        counted = one.info.name in COUNTS and one.info.name not in _PER_CYCLE
        if one.info.process != TOTAL or not (counted or one.info.name == "rss"):
            continue
        whole = _judge(data, one, one.values, drop)
        checks += [
            _check(data, one, AT_ONCE, whole.immediate, whole),
            _check(data, one, IN_TIME, whole.within_grace, whole),
        ]
        faulted = _with_faults(data, one)
        if faulted is not None:
            after = _judge(data, one, faulted, drop)
            checks.append(_check(data, one, AFTER_FAULTS, after.within_grace, after))
    return checks


def _judge(data: RunData, one: Judged, values: Floats, drop: float) -> CleanupResult:
    counts = one.info.unit != "bytes"
    return judge_cleanup(
        one.times,
        values,
        data.cycle_seconds,
        drop,
        data.limits.cleanup_grace,
        quantum=1.0 if counts else 4096.0,
        restarts=data.restarts,
        kind="count" if counts else "bytes",
    )


def _with_faults(data: RunData, one: Judged) -> Floats | None:
    """The samples of cycles in which requests were broken on purpose, and of the quiet before; None without such."""
    cycles = {row.cycle for row in data.load if row.detail.get("faulted")}
    if not cycles:
        return None
    number = np.floor(one.times / data.cycle_seconds).astype(np.int64)
    quiet_before = (one.times % data.cycle_seconds) >= data.cycle_seconds - data.run.quiet_seconds
    wanted = np.isin(number, list(cycles)) | (np.isin(number + 1, list(cycles)) & quiet_before)
    values: Floats = np.where(wanted, one.values, np.nan)
    return values


def _check(data: RunData, one: Judged, when: str, verdict: str, result: CleanupResult) -> dict[str, Any]:
    return {
        "series": one.info.name,
        "unit": one.info.unit,
        "when": when,
        "verdict": verdict,
        "gates": when != AT_ONCE and one.info.unit != "bytes",
        "grace_seconds": data.limits.cleanup_grace,
        "residual": result.residual,
        "margin": result.margin,
        "cycles_used": result.cycles_used,
    }


def cleanup_findings(checks: Sequence[dict[str, Any]], leaking: set[str]) -> list[dict[str, Any]]:
    """What did not come back; not of series that leak, where that is said already, and once for each series."""
    found: dict[str, dict[str, Any]] = {}
    for check in checks:
        if check["verdict"] == "fail" and check["gates"] and check["series"] not in leaking | found.keys():
            name = check["series"]
            message = (
                f"{name} are not back at the floor {duration(check['grace_seconds'])}"
                f" after the load stopped: {amount(check['residual'], 'count')} more remain"
                f" (median over {check['cycles_used']} cycles)"
            )
            found[name] = finding("cleanup", name, message, unit="count", residual=check["residual"])
    return list(found.values())
