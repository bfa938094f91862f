"""Growing object types and who holds them, over all processes of the target."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from typing import Any

import numpy as np

from soak.analysis import judge_sites
from soak.report.inputs import RunData

MOST_TYPES = 8
LEAST_PER_CYCLE = 0.5  # objects: slower growth is none that a count can show
MOST_PATHS = 5
NUMBERS = frozenset({"int", "float", "complex", "bool", "NoneType"})
UNKNOWN = 100.0  # bytes of an item that nobody looked at
FAINT = 0.1  # what items count that are mere numbers, or of a type that the collector knows and that does not grow
LIGHT = 0.1  # of the heaviest container that grew: a lighter one tells less than the newest instances do


def growing_types(data: RunData) -> list[dict[str, Any]]:
    """Types whose number of live objects grows for certain, fastest first."""
    times = {reading.cycle: reading.t for reading in data.judged_readings}
    cycles = sorted(times)
    if len(cycles) < 3:
        return []
    at = np.array([times[cycle] for cycle in cycles], dtype=np.float64)
    series = {}
    for one in data.store.types(data.run.id):
        counts = dict.fromkeys(cycles, 0.0)
        for point in one.points:
            if point.cycle in counts:
                counts[point.cycle] += point.count
        values = np.array(list(counts.values()), dtype=np.float64)
        if np.ptp(values) > 0:  # those that shrank were looked at, too: the correction is for all of them
            series[one.type] = (at, values, None)
    if not series:
        return []
    total = sum(max(0.0, float(values[-1] - values[0])) for _, values, _ in series.values())
    per_hour = total / max(float(at[-1] - at[0]), 1e-9) * 3600.0
    results = judge_sites(series, data.cycle_seconds, per_hour, data.restarts)
    least = LEAST_PER_CYCLE * 3600.0 / data.cycle_seconds
    sure = [result for result in results if result.significant and result.growth_per_hour >= least]
    return [
        {"type": str(result.key), "count_per_hour": result.growth_per_hour, "ci95": list(result.ci95)}
        for result in sorted(sure, key=lambda result: -result.growth_per_hour)[:MOST_TYPES]
    ]


def held_by(data: RunData) -> list[list[str]]:
    """Retention paths, root first: of the containers that grew most, then of the newest instances of growing types.

    A path of one step has no root: the walk ran out of time or depth, and it tells nothing.
    """
    grown = grown_containers(data)
    instances = [row for row in _told(data) if not row.get("growth")]
    rows = [
        *(row for row in grown if not row["light"]),
        *instances,
        *(row for row in grown if row["light"]),
    ]
    paths = [[str(step) for step in row["path"]] for row in rows if len(row.get("path", ())) > 1]
    return [path for number, path in enumerate(paths) if path not in paths[:number]][:MOST_PATHS]


def newest_of(data: RunData, types: Collection[str]) -> list[list[str]]:
    """Retention paths of the newest instances of these types, root first."""
    return [list(row["path"]) for row in _told(data) if not row.get("growth") and row["type"] in types]


def grown_containers(data: RunData) -> list[dict[str, Any]]:
    """What the agents said of containers that have grown since the second trough, heaviest first.

    `weight` is what the new items take in bytes, as far as they can be what grows; `light` that it says little.
    """
    rows = [row for row in _told(data) if row.get("growth")]
    looked_at = any(row.get("holds") for row in rows)
    growing = {str(one["type"]) for one in growing_types(data)} if looked_at else set()
    weights = [row["growth"] * _item(row.get("holds") or (), growing) for row in rows]
    heaviest = max(weights, default=0.0)
    told = [
        {**row, "weight": weight, "light": weight < LIGHT * heaviest or bool(growing and only_numbers(row))}
        for row, weight in zip(rows, weights, strict=True)
    ]
    return sorted(told, key=lambda row: -row["weight"])


def only_numbers(row: Mapping[str, Any]) -> bool:
    """Whether a container holds figures, as one of latencies does, and nothing that could hold anything else."""
    holds = row.get("holds") or ()
    return bool(holds) and all(one["type"] in NUMBERS for one in holds)


def _told(data: RunData) -> list[dict[str, Any]]:
    return [row for event in data.of_kind("holders") for row in event.detail.get("holders", [])]


def _item(holds: Sequence[Mapping[str, Any]], growing: Set[str]) -> float:
    """Bytes of an item; little of what does not grow counts, all of what the collector does not know."""
    if not holds:
        return UNKNOWN
    return sum(float(one["bytes"]) * (FAINT if _is_faint(one, growing) else 1.0) for one in holds)


def _is_faint(one: Mapping[str, Any], growing: Set[str]) -> bool:
    return one["type"] in NUMBERS or bool(growing and one["tracked"] and one["type"] not in growing)
