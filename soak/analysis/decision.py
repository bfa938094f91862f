"""From a fitted line to a verdict: what is probable enough to be said, and what forbids to say it."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from soak.analysis import counts
from soak.analysis.distributions import poisson_bounds, poisson_low, t_quantile
from soak.analysis.results import Decision, Kind, Verdict
from soak.analysis.thresholds import THRESHOLDS as T
from soak.analysis.trimming import Points, Trimmed

HOUR = 3600.0
Said = tuple[Decision, set[str]]


def decide(
    whole: Points,
    trimmed: Trimmed,
    limit: float,
    cycle_seconds: float,
    kind: Kind,
    quantum: float,
    warnings: set[str],
) -> Verdict:
    """The verdict on `trimmed`, which is `whole` without its warm-up; limit and quantum per cycle and per step."""
    line, points = trimmed.line, trimmed.points
    b, v = line.slope, line.v
    span = max(float(np.ptp(points.t)), 1.0)
    high = _interval(trimmed, kind, quantum / span, T.decide_level)[1]
    if _grows(trimmed, limit, kind, quantum / span):
        verdict, said = _leaks(whole, trimmed, limit, kind)
    else:
        verdict, said = _is_clean(whole, trimmed, limit) if high < limit else ("inconclusive", set())
    excess = max((t_quantile(T.leak_level, v) + t_quantile(T.power_level, v)) * line.se, quantum / span)
    needed = None if verdict != "inconclusive" else _needed(line.se, v, points.cycles, abs(b - limit))
    if verdict == "inconclusive" and needed is None:
        said = said | {"near_limit"}
    per_hour = HOUR / cycle_seconds
    low, high = _interval(trimmed, kind, quantum / span, T.report_level)
    low, high = _in_chunks(points, b, low, high) if kind == "bytes" else (low, high)
    return Verdict(
        verdict,
        b * per_hour,
        (low * per_hour, high * per_hour),
        (limit + excess) * per_hour,
        points.cycles,
        needed,
        tuple(sorted(warnings | said)),
        math.nan,
    )


def _interval(trimmed: Trimmed, kind: Kind, least: float, level: float) -> tuple[float, float]:
    """Both bounds of the growth per cycle, each at this level, never closer to it than one quantum over the span."""
    low, high = trimmed.line.interval(level)
    low, high = min(low, trimmed.line.slope - least), max(high, trimmed.line.slope + least)
    return counts.counted(trimmed, low, high, level) if kind == "count" else (low, high)


def _in_chunks(points: Points, b: float, low: float, high: float) -> tuple[float, float]:
    """The interval, widened by what chance does to memory that is lost in few large chunks.

    Increments that scatter with variance V about their mean b are what a compound Poisson process of chunks of V/b
    gives, so the growth that was seen counts as so many events. No chunk is larger than the largest increment, nor than
    what was kept for good in one go: floors that go up and down scatter as well, and lose nothing.
    """
    steps = [np.diff(points.y[g]) / np.sqrt(np.diff(points.t[g])) for g in _groups(points)]
    freedom = sum(max(s.size - 1, 0) for s in steps)
    if b <= 0 or freedom < 1:
        return low, high
    variance = sum(float(((s - b) ** 2).sum()) for s in steps if s.size > 1) / freedom
    chunk = min(variance / b, max(float(s.max()) for s in steps if s.size), _kept_at_once(points))
    span = float(np.ptp(points.t))
    events = b * span / chunk if chunk > 0 else math.inf
    if events > T.many_chunks:
        return low, high
    unit = chunk / span
    level = T.report_level
    return min(low, poisson_low(events, level) * unit), max(high, poisson_bounds(events, level)[1] * unit)


def _kept_at_once(points: Points) -> float:
    """The mean chunk that was never given back, weighted by size as V/b is: of the lowest value from each floor on."""
    lowest = [np.minimum.accumulate(points.y[g][::-1])[::-1] for g in _groups(points)]
    kept = np.concatenate([np.diff(values) for values in lowest])
    return float((kept**2).sum()) / float(kept.sum()) if kept.sum() > 0 else math.inf


def _grows(trimmed: Trimmed, limit: float, kind: Kind, least: float) -> bool:
    """Whether growth is above the limit by the odds asked for, and above half of it by higher ones."""
    if kind == "count":
        at_limit, at_half = (counts.above(trimmed, x) for x in (limit, limit / 2.0))
    else:
        at_limit, at_half = (trimmed.line.above(x) for x in (limit, limit / 2.0))
        if trimmed.line.slope - least <= limit:
            return False
    return at_limit > T.leak_level and at_half > T.half_level


def _leaks(whole: Points, trimmed: Trimmed, limit: float, kind: Kind) -> Said:
    """*leak*, or why not yet."""
    b, bend = trimmed.line.slope, trimmed.bend
    if kind == "count" and counts.only_events(trimmed):
        slowing = counts.slowed(trimmed, limit)
    else:
        slowing = bend.concave and bend.end_slope < max(limit, b / 2)
        slowing = slowing or _last_half(trimmed.points) < max(limit, b / 2)
    if slowing:
        return "inconclusive", {"still_slowing"}
    if _one_step(trimmed.points, limit):
        return "inconclusive", {"one_step"}
    swept = kind == "bytes" and all(_gave_back(whole.y[g]) for g in _groups(whole))
    return ("inconclusive", {"gave_back"}) if swept else ("leak", set())


def _gave_back(y: npt.NDArray[np.float64]) -> bool:
    """Whether most of what had been gained was given back once, and the end is hardly above what was there before.

    A sweep that comes round every few cycles looks like that: what grows between two of them is no leak. What came in
    one piece and went again is not: it only stood out.
    """
    if y.size < 2:
        return False
    peaks = np.maximum.accumulate(y)
    lowest = int((peaks - y).argmax())
    fall, peak = float(peaks[lowest] - y[lowest]), float(peaks[lowest])
    if fall <= T.climbed * float(np.diff(y).max()):
        return False
    return fall > T.given_back * (peak - float(y[0])) and float(y[-1]) - peak < T.regained * fall


def _is_clean(whole: Points, trimmed: Trimmed, limit: float) -> Said:
    """*clean*, or why not yet."""
    if trimmed.dropped and trimmed.points.cycles < T.clean_cycles:
        return "inconclusive", {"too_few_cycles"}
    if trimmed.bend.convex:
        return "inconclusive", {"accelerating"}
    left = [s[:-1] for s in _increments(whole)]
    return ("inconclusive", {"growth_to_date"}) if _mean(left) > T.to_date_share * limit else ("clean", set())


def _groups(points: Points) -> list[npt.NDArray[np.bool_]]:
    return [points.group == group for group in np.unique(points.group)]


def _increments(points: Points) -> list[npt.NDArray[np.float64]]:
    """The increments per cycle between neighbouring floors, ascending, one array per group."""
    return [np.sort(np.diff(points.y[g]) / np.diff(points.t[g])) for g in _groups(points)]


def _mean(parts: list[npt.NDArray[np.float64]]) -> float:
    """Mean over all parts; NaN where nothing is left."""
    left = np.concatenate(parts)
    return float(left.mean()) if left.size else math.nan


def _one_step(points: Points, limit: float) -> bool:
    """Whether a single increment carries the growth: what is left without it does not support a leak.

    The smallest is left out too, where there are more than two: one cycle that stands out has both.
    """
    steps = _increments(points)
    pairs = [float(s[0] / s[1]) for s in steps if s.size == 2 and s[1] > 0]
    uneven = bool(pairs) and float(np.mean(pairs)) < T.even_steps
    return uneven or _mean([s[1:-1] if s.size > 2 else s[:-1] for s in steps]) <= T.one_step_share * limit


def _last_half(points: Points) -> float:
    """Slope over the last half of the cycles, at least three of them; the whole slope where there are too few."""
    numbers = np.unique(points.cycle)
    keep = max(T.least_cycles, math.ceil(numbers.size / 2))
    part = points.only(points.cycle >= numbers[-keep])
    return (part if part.enough else points).line().slope


def _needed(se: float, v: int, m: int, distance: float) -> int | None:
    """How many more cycles would resolve `distance` (per cycle), or None where too many."""
    s0 = se * math.sqrt(m * (m * m - 1) / 12.0)
    for more in range(1, T.hopeless_cycles + 1):
        n = m + more
        if t_quantile(T.decide_level, v + more) * s0 / math.sqrt(n * (n * n - 1) / 12.0) < T.near_limit * distance:
            return more
    return None
