"""The curves of a run, thinned until they can be drawn: bands of lowest and highest, floors, slope and its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from soak.report.inputs import TOTAL, Floats, RunData
from soak.report.series import Judged, segment_of

BUCKETS = 240  # columns of a curve: about three pixels each on a wide screen, some 5 KB of a page
HOUR = 3600.0


def charts(data: RunData, series: Sequence[Judged]) -> dict[str, Any]:
    """What every chart shares, and one entry per deciding or telling total."""
    drawn = [one for one in series if _drawn(one)]
    return {
        "cycles": [[cycle.t0, cycle.t1] for cycle in data.cycles],
        "cycle_seconds": data.cycle_seconds,
        "quiet_seconds": data.run.quiet_seconds,
        "segments": [{"t": segment.t, "why": segment.why} for segment in data.segments if segment.number > 0],
        "gaps": [[event.t0, event.t1, str(event.detail.get("why", event.kind))] for event in data.of_kind("gap")],
        "series": [_chart(data, one) for one in drawn if one.times.size],
    }


def _drawn(one: Judged) -> bool:
    return one.info.process == TOTAL and (bool(one.row["gates"]) or one.info.name in ("rss", "pss", "cpu", "uss"))


def _chart(data: RunData, one: Judged) -> dict[str, Any]:
    t, low, high = thinned(one.times, one.values)
    return {
        "name": one.info.name,
        "unit": one.info.unit,
        "t": [round(float(value), 1) for value in t],
        "low": [_short(value) for value in low],
        "high": [_short(value) for value in high],
        "floors": [[floor.t, _short(floor.value), floor.used] for floor in one.floors],
        "lines": _lines(data, one),
        "growth_per_hour": one.row["growth_per_hour"],
        "ci95": one.row["ci95"],
        "limit_per_hour": one.row["limit_per_hour"],
        "verdict": one.row["verdict"],
    }


def thinned(times: Floats, values: Floats, buckets: int = BUCKETS) -> tuple[Floats, Floats, Floats]:
    """Times, lowest and highest value of at most `buckets` stretches of time; a stretch of gaps only is NaN."""
    if times.size <= buckets:
        return times, values, values
    span = max(float(times[-1] - times[0]), 1e-9)
    place = np.minimum(((times - times[0]) / span * buckets).astype(np.int64), buckets - 1)
    low, high = np.full(buckets, np.inf), np.full(buckets, -np.inf)
    there = ~np.isnan(values)
    np.minimum.at(low, place[there], values[there])
    np.maximum.at(high, place[there], values[there])
    empty = ~np.isfinite(low)
    low[empty] = high[empty] = np.nan
    return times[0] + (np.arange(buckets) + 0.5) * span / buckets, low, high


def _lines(data: RunData, one: Judged) -> list[dict[str, Any]]:
    """The common slope through the middle of the floors of each segment, from its first used floor to its last."""
    if one.verdict is None or not one.verdict.known:
        return []
    lines = []
    for segment in range(len(data.restarts) + 1):
        used = [(f.t, f.value) for f in one.floors if f.used and segment_of(data, f.t) == segment]
        if used:
            middle = (sum(t for t, _ in used) / len(used), sum(value for _, value in used) / len(used))
            lines.append({"from": used[0][0], "to": used[-1][0], "t": middle[0], "value": middle[1]})
    return lines


def _short(value: float) -> float | None:
    """Five digits are more than a screen has pixels; null for a gap."""
    return None if np.isnan(value) else float(f"{value:.6g}")
