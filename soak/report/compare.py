"""Two runs side by side, or a run and the mean of its baselines: what grew, what got slower, what is new."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

SCHEMA = "soak.compare/1"
MEMORY = ("rss", "pss", "python_heap")


@dataclass(frozen=True, slots=True)
class Tolerances:
    """By how much the later run may be worse: shares of the earlier value; errors as a difference of two shares."""

    p50: float = 0.10
    p99: float = 0.20
    memory: float = 0.05
    errors: float = 0.001


def compare(before: Sequence[dict[str, Any]], after: dict[str, Any], allowed: Tolerances) -> dict[str, Any]:
    """The report `after` against the mean of the reports `before` (one, or the runs of a baseline)."""
    series = [_growth(before, row) for row in after["series"] if row["process"] == "total" and row["gates"]]
    figures = [
        *(_figure(f"{name} floor", "bytes", *_levels(before, after, name), allowed.memory) for name in MEMORY),
        _figure("p50", "ms", _mean(before, _latency("p50")), _latency("p50")(after), allowed.p50),
        _figure("p99", "ms", _mean(before, _latency("p99")), _latency("p99")(after), allowed.p99),
        _errors(before, after, allowed.errors),
    ]
    known = [figure for figure in figures if figure is not None]
    findings = _findings(before, after)
    worse = [figure["name"] for figure in known if not figure["within"]]
    worse += [one["message"] for one in findings["new"] if one["severity"] == "fail"]
    return {
        "schema": SCHEMA,
        "before": [_run(report) for report in before],
        "after": _run(after),
        "verdict": "worse" if worse else "within",
        "exit_code": 1 if worse else 0,
        "worse": worse,
        "series": series,
        "figures": known,
        "findings": findings,
    }


def _run(report: dict[str, Any]) -> dict[str, Any]:
    run = report["run"]
    return {name: run[name] for name in ("id", "name", "version", "started", "cycles")} | {"verdict": report["verdict"]}


def _growth(before: Sequence[dict[str, Any]], row: dict[str, Any]) -> dict[str, Any]:
    """The difference of two slopes; its interval by adding the halves of both in quadrature."""
    rows = [other for report in before for other in report["series"] if _same(other, row)]
    old = [(other["growth_per_hour"], *other["ci95"]) for other in rows if _estimated(other)]
    entry = {"name": row["name"], "unit": row["unit"], "before": None, "after": row["growth_per_hour"]}
    if not old or not _estimated(row):
        return {**entry, "difference_per_hour": None, "ci95": None, "sure": False}
    count = len(old)
    mean = sum(growth for growth, _, _ in old) / count
    up = math.sqrt(sum((growth - low) ** 2 for growth, low, _ in old)) / count
    down = math.sqrt(sum((high - growth) ** 2 for growth, _, high in old)) / count
    growth, (low, high) = row["growth_per_hour"], row["ci95"]
    difference = growth - mean
    bounds = [difference - math.hypot(growth - low, down), difference + math.hypot(high - growth, up)]
    sure = bounds[0] > 0 or bounds[1] < 0
    return {**entry, "before": mean, "difference_per_hour": difference, "ci95": bounds, "sure": sure}


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return bool(one["name"] == other["name"] and one["process"] == "total")


def _estimated(row: dict[str, Any]) -> bool:
    return row["growth_per_hour"] is not None and row["ci95"] is not None and None not in row["ci95"]


def _levels(before: Sequence[dict[str, Any]], after: dict[str, Any], name: str) -> tuple[float | None, float | None]:
    """Floors of the first cycles: growth within a run is another question."""

    def floor(report: dict[str, Any]) -> float | None:
        rows = (row for row in report["series"] if row["name"] == name and row["process"] == "total")
        found: float | None = next((row["floor"] for row in rows), None)
        return found

    return _mean(before, floor), floor(after)


def _latency(name: str) -> Callable[[dict[str, Any]], float | None]:
    def read(report: dict[str, Any]) -> float | None:
        value: float | None = report["load"]["latency_ms"][name]
        return value

    return read


def _mean(reports: Sequence[dict[str, Any]], read: Callable[[dict[str, Any]], float | None]) -> float | None:
    values = [value for value in map(read, reports) if value is not None]
    return sum(values) / len(values) if values else None


def _figure(name: str, unit: str, old: float | None, new: float | None, allowed: float) -> dict[str, Any] | None:
    """A level that may not rise by more than a share of itself; None where one of both is not known."""
    if old is None or new is None or old <= 0:
        return None
    change = new / old - 1.0
    values = {"before": old, "after": new, "change": change, "allowed": allowed}
    return {"name": name, "unit": unit, **values, "within": change <= allowed}


def _errors(before: Sequence[dict[str, Any]], after: dict[str, Any], allowed: float) -> dict[str, Any] | None:
    def ratio(report: dict[str, Any]) -> float | None:
        load = report["load"]
        return load["errors"] / load["requests"] if load["requests"] else None

    old, new = _mean(before, ratio), ratio(after)
    if old is None or new is None:
        return None
    values = {"before": old, "after": new, "change": new - old, "allowed": allowed}
    return {"name": "errors", "unit": "ratio", **values, "within": new - old <= allowed}


def _findings(before: Sequence[dict[str, Any]], after: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """New, gone and known by fingerprint: of the finding, or of a site that both have."""
    old = [finding for report in before for finding in report["findings"]]
    old_marks = {mark for finding in old for mark in _marks(finding)}
    new_marks = {mark for finding in after["findings"] for mark in _marks(finding)}
    gone = {one["fingerprint"]: one for one in old if not _marks(one) & new_marks}
    return {
        "new": [_brief(one) for one in after["findings"] if not _marks(one) & old_marks],
        "known": [_brief(one) for one in after["findings"] if _marks(one) & old_marks],
        "gone": [_brief(one) for one in gone.values()],
    }


def _marks(finding: dict[str, Any]) -> set[str]:
    """The finding's own fingerprint, and those of the sites it names for certain."""
    sites = {site["fingerprint"] for site in finding["sites"] if site.get("significant")}
    return {finding["fingerprint"], *(f"{finding['kind']} {mark}" for mark in sites)}


def _brief(finding: dict[str, Any]) -> dict[str, Any]:
    return {name: finding[name] for name in ("kind", "series", "severity", "fingerprint", "message")}
