"""The verdict on one series: does it grow by more than the limit?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from soak.analysis.distributions import poisson_bounds, poisson_low, t_quantile
from soak.analysis.floors import CycleFloor, Floors, as_series, floors_of
from soak.analysis.results import Decision, Kind, Verdict
from soak.analysis.thresholds import THRESHOLDS as T
from soak.analysis.trimming import Points, Trimmed, trim

HOUR = 3600.0


def judge(
    times: object,
    values: object,
    cycle_seconds: float,
    limit_per_hour: float,
    kind: Kind = "bytes",
    quantum: float | None = None,
    trough: float = 0.85,
    restarts: Sequence[float] = (),
    *,
    errors: object = None,
) -> Verdict:
    """Judge the growth of one series.

    times: seconds since the run began, ascending, gaps allowed; values: bytes or counts, NaN is a gap;
    limit_per_hour: in units of the value per hour; quantum: smallest step of the series (default 1 for counts and
    1/256 of the limit per cycle for bytes, which is 4096 at 1 MB/h and hour-long cycles); trough: phase at which the
    quiet part of a cycle begins; restarts: times at which the target was restarted; errors: standard error of each
    value, where it was sampled. Raises ValueError where the series, the cycle or the limit is not one.
    """
    check(cycle_seconds, limit_per_hour, trough)
    t, y, e = as_series(times, values, errors)
    floors = floors_of(t, y, e, cycle_seconds, trough, restarts)
    return judge_floors(floors, cycle_seconds, limit_per_hour, kind, quantum, restarts)


def check(cycle_seconds: float, limit_per_hour: float, trough: float) -> None:
    """Raise ValueError for parameters that mean nothing."""
    if not (math.isfinite(cycle_seconds) and cycle_seconds > 0):
        raise ValueError(f"cycle_seconds must be above 0, got {cycle_seconds}")
    if not (math.isfinite(limit_per_hour) and limit_per_hour >= 0):
        raise ValueError(f"limit_per_hour must be 0 or more, got {limit_per_hour}")
    if not 0.0 <= trough < 1.0:
        raise ValueError(f"trough must be a phase from 0 to below 1, got {trough}")


def judge_floors(
    floors: Floors,
    cycle_seconds: float,
    limit_per_hour: float,
    kind: Kind = "bytes",
    quantum: float | None = None,
    restarts: Sequence[float] = (),
) -> Verdict:
    """The same from floors that were kept."""
    limit = limit_per_hour * cycle_seconds / HOUR
    step = quantum if quantum is not None else (1.0 if kind == "count" else limit / 256.0)
    warnings = {c.why for c in floors.cycles if c.why in ("gaps", "restarted")}
    points = _points(floors, cycle_seconds, restarts, T.prior_scale * limit, kind)
    if points is None or points.cycles < T.least_cycles or points.t.size - np.unique(points.group).size < 2:
        used = 0 if points is None else points.cycles
        return _nothing(floors, used, warnings | {"too_few_cycles"})
    trimmed = trim(points, limit, T.count_step * step if kind == "count" else 0.0)
    level = next(c.value for c in floors.cycles if c.cycle == trimmed.points.cycle[0])
    verdict = replace(_decide(points, trimmed, limit, cycle_seconds, kind, step, warnings), level=level)
    return _unwarmed(verdict) if kind == "bytes" and len(floors.usable()) < T.drop_first_from else verdict


def _unwarmed(verdict: Verdict) -> Verdict:
    """No leak while the first cycle is still in the line: what grew may be start-up (V8 grows for minutes)."""
    if verdict.verdict != "leak":
        return verdict
    warnings = tuple(sorted({*verdict.warnings, "too_few_cycles"}))
    return replace(verdict, verdict="inconclusive", cycles_needed=1, warnings=warnings)


def _nothing(floors: Floors, used: int, warnings: set[str]) -> Verdict:
    level = floors.usable()[0].value if floors.usable() else math.nan
    needed = max(1, T.least_cycles + 1 - used)
    return Verdict(
        "inconclusive", math.nan, (-math.inf, math.inf), math.inf, used, needed, tuple(sorted(warnings)), level
    )


def _points(floors: Floors, cycle_seconds: float, restarts: Sequence[float], scale: float, kind: Kind) -> Points | None:
    """The floors to fit: each segment without its first cycle, two per cycle where cycles are few."""
    segments: dict[int, list[CycleFloor]] = {}
    for floor in floors.usable():
        number = sum(1 for r in restarts if r <= floor.cycle * cycle_seconds)
        segments.setdefault(number, []).append(floor)
    kept = [(s, c) for s, members in segments.items() for c in _warmed_up(members, kind)]
    if not kept:
        return None
    halves = not floors.sparse and len(kept) <= T.halves_up_to
    rows = [row for s, c in kept for row in _rows(s, c, halves)]
    t, y, group, cycle = zip(*rows, strict=True)
    error = math.sqrt(sum(c.error**2 for _, c in kept) / len(kept))
    return Points(np.array(t), np.array(y) - y[0], np.array(group), np.array(cycle), error, scale)


def _warmed_up(members: list[CycleFloor], kind: Kind) -> list[CycleFloor]:
    """Without the first cycle, whose floor has the start-up in it; a count has few events and needs every cycle."""
    return members[1:] if kind == "bytes" and len(members) >= T.drop_first_from else members


def _rows(segment: int, c: CycleFloor, halves: bool) -> list[tuple[float, float, int, int]]:
    if not halves:
        return [(c.cycle + 0.5, c.value, 2 * segment, c.cycle)]
    return [(c.cycle + 0.25 + 0.5 * h, c.halves[h], 2 * segment + h, c.cycle) for h in (0, 1)]


def _decide(
    whole: Points,
    trimmed: Trimmed,
    limit: float,
    cycle_seconds: float,
    kind: Kind,
    quantum: float,
    warnings: set[str],
) -> Verdict:
    line, points = trimmed.line, trimmed.points
    b, v = line.slope, line.v
    span = max(float(np.ptp(points.t)), 1.0)
    least = quantum / span
    ends = {p: line.interval(p) for p in (T.report_level, T.decide_level)}
    ends = {p: (min(low, b - least), max(high, b + least)) for p, (low, high) in ends.items()}
    if kind == "count":
        ends = {p: _counted(trimmed, low, high, p) for p, (low, high) in ends.items()}
    verdict, said = _verdict(trimmed, limit, *ends[T.decide_level])
    if verdict == "clean" and _without_largest(_increments(whole)) > T.to_date_share * limit:
        verdict, said = "inconclusive", {"growth_to_date"}
    excess = max((t_quantile(T.decide_level, v) + t_quantile(T.power_level, v)) * line.se, quantum / span)
    needed = None if verdict != "inconclusive" else _needed(line.se, v, points.cycles, abs(b - limit))
    if verdict == "inconclusive" and needed is None:
        said = said | {"near_limit"}
    per_hour = HOUR / cycle_seconds
    low, high = ends[T.report_level]
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


def _counted(trimmed: Trimmed, low: float, high: float, level: float) -> tuple[float, float]:
    """The interval of a count, widened by what chance does to few events.

    Lost at random, they follow a Poisson process, with exact bounds; every net event counts against *clean*, also one
    that looks like a one-off. Lost more evenly than that, one event more or less is all that the ends can hide.
    """
    points = trimmed.points
    span = float(np.ptp(points.t))
    events = float(round(max(trimmed.line.slope * span, 0.0)))
    if _evenly(points):
        return min(low, (events - 1.0) / span), max(high, (events + 1.0) / span)
    net = 0.0 if trimmed.step else _net_events(points)
    most = poisson_bounds(max(events, net), level)[1]
    return min(low, poisson_low(events, level) / span), max(high, most / span)


def _net_events(points: Points) -> float:
    """Last floor minus first, summed over the segments."""
    segments = points.group // 2
    parts = [points.y[segments == s] for s in np.unique(segments)]
    return float(round(sum(float(p[-1] - p[0]) for p in parts)))


def _evenly(points: Points) -> bool:
    """Whether events come as evenly as they can, and a Poisson process would hardly spread them so."""
    cycles, first = np.unique(points.cycle, return_index=True)
    steps = np.round(np.diff(points.y[first]))
    n, k = steps.size, int(steps.sum())
    if k <= 0 or np.unique(np.diff(cycles)).size > 1 or np.unique(points.group[first]).size > 1:
        return False
    each, over = divmod(k, n)
    if set(steps.tolist()) - {float(each), float(each + 1)}:
        return False
    log_p = math.lgamma(n + 1) - math.lgamma(over + 1) - math.lgamma(n - over + 1) + math.lgamma(k + 1)
    log_p -= (n - over) * math.lgamma(each + 1) + over * math.lgamma(each + 2) + k * math.log(n)
    return math.exp(log_p) <= T.even_level


def _verdict(trimmed: Trimmed, limit: float, low: float, high: float) -> tuple[Decision, set[str]]:
    b, bend = trimmed.line.slope, trimmed.bend
    if low > limit:
        slowing = bend.concave and bend.end_slope < max(limit, b / 2)
        if slowing or _last_half(trimmed.points) < max(limit, b / 2):
            return "inconclusive", {"still_slowing"}
        if _one_step(trimmed.points, limit):
            return "inconclusive", {"one_step"}
        return "leak", set()
    if high < limit:
        if trimmed.dropped and trimmed.points.cycles < T.clean_cycles:
            return "inconclusive", {"too_few_cycles"}
        return ("inconclusive", {"accelerating"}) if bend.convex else ("clean", set())
    return "inconclusive", set()


def _increments(points: Points) -> list[npt.NDArray[np.float64]]:
    """The increments per cycle between neighbouring floors, ascending, one array per group."""
    groups = [points.group == group for group in np.unique(points.group)]
    return [np.sort(np.diff(points.y[g]) / np.diff(points.t[g])) for g in groups]


def _without_largest(steps: list[npt.NDArray[np.float64]]) -> float:
    """Mean growth per cycle without the largest increment of each group; NaN where nothing is left."""
    left = np.concatenate([s[:-1] for s in steps])
    return float(left.mean()) if left.size else math.nan


def _one_step(points: Points, limit: float) -> bool:
    """Whether a single increment carries the growth: what is left without it does not support a leak."""
    steps = _increments(points)
    pairs = [float(s[0] / s[1]) for s in steps if s.size == 2 and s[1] > 0]
    uneven = bool(pairs) and float(np.mean(pairs)) < T.even_steps
    return uneven or _without_largest(steps) <= T.one_step_share * limit


def _last_half(points: Points) -> float:
    """Slope over the last half of the cycles, at least three of them; the whole slope where there are too few."""
    numbers = np.unique(points.cycle)
    keep = max(T.least_cycles, math.ceil(numbers.size / 2))
    return points.only(points.cycle >= numbers[-keep]).line().slope


def _needed(se: float, v: int, m: int, distance: float) -> int | None:
    """How many more cycles would resolve `distance` (per cycle), or None where too many."""
    s0 = se * math.sqrt(m * (m * m - 1) / 12.0)
    for more in range(1, T.hopeless_cycles + 1):
        n = m + more
        if t_quantile(T.decide_level, v + more) * s0 / math.sqrt(n * (n * n - 1) / 12.0) < T.near_limit * distance:
            return more
    return None
