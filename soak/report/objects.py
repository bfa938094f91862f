"""Growing object types and who holds them, over all processes of the target."""

from __future__ import annotations

from typing import Any

import numpy as np

from soak.analysis import judge_sites
from soak.report.inputs import RunData

MOST_TYPES = 8
LEAST_PER_CYCLE = 0.5  # objects: slower growth is none that a count can show
MOST_PATHS = 5


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
    told = (row for event in data.of_kind("holders") for row in event.detail.get("holders", []))
    rows = [row for row in told if len(row.get("path", ())) > 1]
    rows.sort(key=lambda row: -(row.get("growth") or 0))
    paths = [[str(step) for step in row["path"]] for row in rows]
    return [path for number, path in enumerate(paths) if path not in paths[:number]][:MOST_PATHS]
