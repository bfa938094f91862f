"""What the pages show, read from the store: plain dictionaries for JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from soak.load.histogram import Histogram, merged
from soak.report.units import moment
from soak.web.feed import load_row
from soak_storage import Store
from soak_storage.alerts import Alert, Alerts
from soak_storage.curves import Point
from soak_storage.records import LoadCycleRow, RunSummary, SeriesInfo

MOST_POINTS = 300  # stretches of a curve with a least and a greatest value each: 600 numbers
PAGE = 50  # runs
MOST_ALERTS = 200
FIRST = ("rss", "pss", "python_heap", "fds", "sockets", "threads", "tasks", "children", "tmp_files", "cpu")
_SUMMARY = ("id", "name", "host", "status", "verdict", "duration_s", "version", "cycle_seconds", "cycles_planned")
_FINDING = ("kind", "series", "unit", "severity", "fingerprint", "message", "growth_per_hour", "ci95", "no_sites")
_SITE = ("file", "line", "function", "short", "owner", "share", "growth_per_hour", "held_by", "significant")
_SERIES = (
    *("name", "unit", "gates", "growth_per_hour", "ci95", "limit_per_hour", "verdict", "detectable_per_hour"),
    *("floor", "peak", "warnings", "cycles_needed", "accepted"),
)


def runs_view(store: Store, *, text: str = "", offset: int = 0, limit: int = PAGE) -> dict[str, Any]:
    """A page of the runs, newest first: those that have every word of `text` in a column."""
    words = text.lower().split()
    found = [run for run in store.runs() if all(word in _searched(run) for word in words)]
    return {
        "total": len(found),
        "offset": offset,
        "runs": [summary_of(run) for run in found[offset : offset + limit]],
    }


def summary_of(run: RunSummary) -> dict[str, Any]:
    """A run as lists show it."""
    return {name: getattr(run, name) for name in _SUMMARY} | {
        "started": moment(run.started),
        "baseline": run.baseline,
    }


def _searched(run: RunSummary) -> str:
    columns = (run.id, run.name, run.host, run.status, run.verdict, run.version, run.baseline, moment(run.started))
    return " ".join(str(column) for column in columns if column is not None).lower()


def run_view(store: Store, run_id: int) -> dict[str, Any]:
    """One run without its curves: what it is, where its cycles are, what was found so far, its load and evidence."""
    run = store.run(run_id)
    report = store.latest_analysis(run_id) or {}
    load = store.load_cycles(run_id)
    return {
        "run": {**summary_of(run), "quiet_seconds": run.quiet_seconds, "error": run.error},
        "python": run.target.get("python"),
        "cycles": [[cycle.t0, cycle.t1, cycle.complete] for cycle in store.cycles(run_id)],
        "segments": [[one.t, one.why] for one in store.segments(run_id) if one.number > 0],
        "gaps": [
            [event.t0, event.t1, str(event.detail.get("why", event.kind))]
            for event in store.events(run_id)
            if event.kind == "gap"
        ],
        "summary": report.get("summary"),
        "next_steps": report.get("next_steps", []),
        "judged": report.get("run", {}).get("cycles"),
        "findings": [finding_of(one) for one in report.get("findings", [])],
        "series": [_picked(row, _SERIES) for row in report.get("series", []) if row["process"] == "total"],
        "evidence": [[one["message"], one["weakens"]] for one in report.get("evidence", [])],
        "floors": _floors(report),
        "load": _load(load),
    }


def _picked(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: row.get(name) for name in names}


def finding_of(finding: Mapping[str, Any]) -> dict[str, Any]:
    """A finding with its guiltiest places; the report has the rest."""
    sites = [{**_picked(site, _SITE), "likely": _place(site.get("likely"))} for site in finding["sites"][:3]]
    return {**_picked(finding, _FINDING), "accepted": finding.get("accepted"), "sites": sites}


def _place(frame: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if frame is None else _picked(frame, ("file", "line", "function", "short", "code"))


def _floors(report: Mapping[str, Any]) -> dict[str, Any]:
    """Troughs and slope of each judged series, as the report draws them."""
    charts = report.get("charts") or {}
    return {one["name"]: {"floors": one["floors"], "lines": one["lines"]} for one in charts.get("series", [])}


def _load(rows: Sequence[LoadCycleRow]) -> dict[str, Any]:
    cycles = sorted({row.cycle for row in rows})
    counts = ("due", "sent", "landed", "failed", "dropped")
    return {
        **{name: sum(getattr(row, name) for row in rows) for name in counts},
        "latency": [[cycle + 1, *_latency(row for row in rows if row.cycle == cycle)] for cycle in cycles],
    }


def _latency(rows: Any) -> list[float | None]:
    """p50, p95 and p99 in ms."""
    table = merged(Histogram.from_bytes(row.response) for row in rows if row.response).percentiles_ms()
    return [table[name] for name in ("p50", "p95", "p99")]


def curves_view(store: Store, run_id: int, *, more: bool = False) -> dict[str, Any]:
    """The curves of the totals, thinned, and the load; `more` for the series that are not shown unasked."""
    store.run(run_id)
    wanted = [one for one in store.series(run_id) if one.process == "total" and _is_first(one) != more]
    wanted.sort(key=_place_of)
    points = store.curves([one.id for one in wanted], most=MOST_POINTS)
    end = max((rows[-1].t for rows in points.values() if rows), default=0.0)
    load = [] if more else store.load_curve(run_id, 0.0, end + 1.0, most=MOST_POINTS)
    return {
        "series": [
            {"name": one.name, "unit": one.unit, "gates": one.gates, "points": [_numbers(p) for p in points[one.id]]}
            for one in wanted
        ],
        "load": [load_row(row) for row in load],
    }


def _is_first(one: SeriesInfo) -> bool:
    return one.gates or one.name in FIRST


def _place_of(one: SeriesInfo) -> tuple[int, str]:
    return (FIRST.index(one.name) if one.name in FIRST else len(FIRST), one.name)


def _numbers(point: Point) -> list[float | None]:
    return [round(point.t, 1), _short(point.low), _short(point.high)]


def _short(value: float | None) -> float | None:
    """Six digits are more than a screen has pixels."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.6g}")


def alerts_view(store: Store) -> dict[str, Any]:
    """Alerts, the latest first: who has to be looked at, who is known, who is over."""
    return {"alerts": [_alert(alert) for alert in Alerts(store, (), repeat=0.0).history(MOST_ALERTS)]}


def _alert(alert: Alert) -> dict[str, Any]:
    state = "resolved" if alert.resolved is not None else "open" if alert.acknowledged is None else "acknowledged"
    facts = asdict(alert)
    for name in ("raised", "last_seen", "announced", "resolved", "acknowledged"):
        facts[name] = None if facts[name] is None else moment(facts[name])
    return {**facts, "detail": dict(alert.detail), "state": state}
