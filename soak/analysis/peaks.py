"""Peaks and ceilings: the highest level a series reached, and whether it ran into what the system allows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from soak.analysis.floors import Floats, as_series, floors_of
from soak.analysis.judge import check
from soak.analysis.results import CeilingResult, PeakResult
from soak.analysis.thresholds import THRESHOLDS as T


def judge_peak(
    times: object,
    values: object,
    cycle_seconds: float,
    limit: float,
    relative: bool,
    trough: float = 0.85,
    restarts: Sequence[float] = (),
) -> PeakResult:
    """Judge the highest level of a series; units of the value, seconds since the run began.

    A level counts as reached when two neighbouring samples are at or above it, so that a single stray sample breaks
    nothing. `relative`: the limit is over the floor of the first usable cycles of each segment, beyond the amplitude
    seen there; otherwise it is absolute. Raises ValueError where the series or the cycle is not one.
    """
    check(cycle_seconds, max(limit, 0.0), trough)
    t, y, e = as_series(times, values)
    worst = PeakResult(False, math.nan, math.nan, -math.inf, math.nan, "load", math.nan)
    base = (0.0, 0.0) if not relative else (math.nan, math.nan)
    for part in _segments(t, restarts):
        if t[part].size == 0:
            continue
        if relative:
            base = _baseline(t[part], y[part], e[part], cycle_seconds, trough, base)
        found = _against(t[part], y[part], base, limit)
        if math.isnan(worst.peak) or found.excess > worst.excess:
            worst = found
    in_quiet = not math.isnan(worst.t) and (worst.t / cycle_seconds) % 1.0 >= trough
    return replace(worst, phase="quiet" if in_quiet else "load")


def _segments(t: Floats, restarts: Sequence[float]) -> list[slice]:
    ends = [*np.searchsorted(t, sorted(restarts)).tolist(), t.size]
    return [slice(a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True)]


def _baseline(
    t: Floats, y: Floats, e: Floats, cycle_seconds: float, trough: float, before: tuple[float, float]
) -> tuple[float, float]:
    """(floor, amplitude) of the first usable cycles of a segment; what an earlier one had where it has none."""
    usable = floors_of(t, y, e, cycle_seconds, trough).usable()
    first = usable[1 : 1 + T.peak_cycles] if len(usable) > T.peak_cycles else usable[:1]
    if not first:
        return before
    floor = max(c.value for c in first)
    tops = [_top(t, y, c.cycle * cycle_seconds, (c.cycle + 1) * cycle_seconds) for c in first]
    return floor, max(0.0, max(tops) - floor)


def _top(t: Floats, y: Floats, start: float, end: float) -> float:
    a, b = np.searchsorted(t, [start, end])
    return float(supported(y[a:b]).max())


def supported(values: Floats) -> Floats:
    """Per sample, the level that it and its next neighbour both reach; a single sample stands for itself."""
    return np.minimum(values[:-1], values[1:]) if values.size > 1 else values


def _against(t: Floats, y: Floats, base: tuple[float, float], limit: float) -> PeakResult:
    levels = supported(y)
    at = int(levels.argmax())
    allowed = base[0] + base[1] + limit
    excess = float(levels[at]) - allowed
    return PeakResult(excess > 0, float(levels[at]), base[0], excess, float(t[at]), "load", allowed)


def judge_ceiling(times: object, values: object, ceiling: float) -> CeilingResult:
    """Whether a series ran into its ceiling: two neighbouring samples within 1 % (or one unit) of it.

    A series at its ceiling cannot grow any further, so its flat end is a finding and never "slowing".
    Raises ValueError where the ceiling is not above 0 or the series is not one.
    """
    if not (math.isfinite(ceiling) and ceiling > 0):
        raise ValueError(f"a ceiling must be above 0, got {ceiling}")
    t, y, _ = as_series(times, values)
    if y.size == 0:
        return CeilingResult(False, None, math.nan, ceiling)
    levels = supported(y)
    at = np.flatnonzero(levels >= ceiling - max(1.0, T.ceiling_share * ceiling))
    return CeilingResult(at.size > 0, float(t[at[0]]) if at.size else None, float(levels.max()) / ceiling, ceiling)


def hours_to(level: float, ceiling: float, ci95: tuple[float, float]) -> tuple[float, float] | None:
    """Hours until `level` grows to `ceiling` at the rates of the interval, soonest first; None where it may not grow.

    The later end is inf where the interval reaches down to no growth.
    """
    low, high = ci95
    if not (math.isfinite(level) and math.isfinite(high)) or high <= 0:
        return None
    room = max(ceiling - level, 0.0)
    return room / high, room / low if low > 0 else math.inf
