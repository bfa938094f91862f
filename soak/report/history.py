"""Growth over many nights: one point per run and series, and the run in which a growth began."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

SCHEMA = "soak.history/1"
LEAST_RUNS = 4  # below that a jump and the scatter of nights cannot be told apart
LEAST_SIDE = 3  # runs on one of both sides of a change; the other may be the latest night alone
JUMP = 4.0  # standard errors: every night is a place to look at, so three would be found by chance once in a quarter
MATERIAL = 0.5  # of the limit: a change that is smaller is none that matters


def history(reports: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The deciding series of finished runs of one target, oldest run first, each with the change in it, if any."""
    ordered = sorted(reports, key=lambda report: (report["run"]["started"], report["run"]["id"]))
    points: dict[str, list[dict[str, Any]]] = {}
    units: dict[str, str] = {}
    for report in ordered:
        for row in report["series"]:
            if row["gates"] and row["process"] == "total" and row["growth_per_hour"] is not None and row["ci95"]:
                points.setdefault(row["name"], []).append(_point(report["run"], row))
                units[row["name"]] = row["unit"]
    return {
        "schema": SCHEMA,
        "name": ordered[-1]["run"]["name"] if ordered else None,
        "runs": [report["run"]["id"] for report in ordered],
        "series": [
            {"name": name, "unit": units[name], "points": rows, "change": change(rows)} for name, rows in points.items()
        ],
    }


def _point(run: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    facts = {"run": run["id"], "started": run["started"], "version": run["version"]}
    return {**facts, **{name: row[name] for name in ("growth_per_hour", "ci95", "limit_per_hour", "verdict")}}


def change(points: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The most likely run from which the growth is another one; None where the nights are all alike.

    For every split the means of both sides are compared, with the scatter within the sides and the errors of the
    runs themselves (Page, "Continuous inspection schemes", Biometrika 41 (1954), for one change in the mean).
    """
    own = sum(_error(point) ** 2 for point in points) / max(len(points), 1)
    best: tuple[float, int] | None = None
    for split in range(1, len(points)):
        if len(points) < LEAST_RUNS or max(split, len(points) - split) < LEAST_SIDE:
            continue
        size = _jump(points[:split], points[split:], own)
        if best is None or size > best[0]:
            best = (size, split)
    if best is None or best[0] < JUMP:
        return None
    before, after = points[: best[1]], points[best[1] :]
    old, new = _mean(before), _mean(after)
    limit = after[0]["limit_per_hour"]
    if limit is not None and abs(new - old) < MATERIAL * limit:
        return None
    return {
        "run": after[0]["run"],
        "version": after[0]["version"],
        "last_before": before[-1]["run"],
        "version_before": before[-1]["version"],
        "before_per_hour": old,
        "after_per_hour": new,
    }


def _jump(before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]], own: float) -> float:
    """Difference of the means in standard errors; `own` is the mean square of the errors of the runs themselves."""
    means = _mean(before), _mean(after)
    freedom = len(before) + len(after) - 2
    scatter = sum(
        (point["growth_per_hour"] - mean) ** 2
        for group, mean in zip((before, after), means, strict=True)
        for point in group
    )
    variance = max(scatter / max(freedom, 1), own)
    error = math.sqrt(variance * (1.0 / len(before) + 1.0 / len(after)))
    difference = abs(means[1] - means[0])
    return difference / error if error > 0 else (math.inf if difference > 0 else 0.0)


def _error(point: dict[str, Any]) -> float:
    low, high = point["ci95"]
    return (high - low) / 4.0 if low is not None and high is not None else 0.0


def _mean(points: Sequence[dict[str, Any]]) -> float:
    return sum(float(point["growth_per_hour"]) for point in points) / len(points)
