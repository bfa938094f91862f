"""Allocation sites, types and birth places: which of hundreds grow, how much of the growth each explains."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from soak.analysis.blocks import size_for
from soak.analysis.decision import HOUR
from soak.analysis.floors import as_series
from soak.analysis.judge import check
from soak.analysis.results import Cohorts, SiteResult
from soak.analysis.thresholds import THRESHOLDS as T
from soak.analysis.trimming import Points, trim

Key = TypeVar("Key", bound=Hashable)
SiteSeries = tuple[object, object, object]


@dataclass(frozen=True, slots=True)
class _Fitted:
    result: SiteResult
    p: float  # of growing no faster than 0, one-sided


def judge_sites(
    series: Mapping[Key, SiteSeries],
    cycle_seconds: float,
    total_growth_per_hour: float,
    restarts: Sequence[float] = (),
    *,
    births: Mapping[Key, Sequence[Mapping[int, float]]] | None = None,
) -> list[SiteResult]:
    """Judge every site of a series, most guilty first (growth minus three standard errors).

    series: key -> (times in seconds, values, standard error per value or None), one reading per cycle. A site that is
    absent from a reading that was taken (one that another site has) counts as 0 there. total_growth_per_hour: of the
    series the sites belong to, for the shares; NaN or 0 gives shares of the sum of growing sites.
    births: key -> per reading, bytes still alive by the cycle they were allocated in.
    `significant` holds after Holm's correction (Scandinavian Journal of Statistics 6, 1979) for all sites looked at.
    """
    check(cycle_seconds, 0.0, 0.0)
    cleaned = {key: as_series(t, y, e) for key, (t, y, e) in series.items()}
    if not cleaned:
        return []
    grid = np.unique(np.concatenate([t for t, _, _ in cleaned.values()]))
    restarted = {int(r // cycle_seconds) for r in restarts}
    numbers = np.floor(grid / cycle_seconds).astype(np.int64)
    last = np.append(numbers[1:] != numbers[:-1], True) & ~np.isin(numbers, list(restarted))
    every = size_for(int(last.sum()))
    last &= np.cumsum(last[::-1])[::-1] % every == 1 % every  # of very many cycles every second, third ... from the end
    segment = np.searchsorted(np.sort(np.asarray(restarts, dtype=np.float64)), grid)
    total = total_growth_per_hour if math.isfinite(total_growth_per_hour) else 0.0
    fitted = []
    for key, (t, y, e) in cleaned.items():
        place = np.searchsorted(grid, t)
        values, errors = np.zeros(grid.size), np.zeros(grid.size)
        values[place], errors[place] = y, e
        error = math.sqrt(float(np.mean(errors[last] ** 2)) / every) if last.any() else 0.0
        points = Points(numbers[last].astype(np.float64) + 0.5, values[last], segment[last], numbers[last], error)
        cohort = cohorts((births or {}).get(key, ()))
        fitted.append(_fit(key, points, total, cycle_seconds, cohort))
    shared = total if total > 0 else sum(max(f.result.growth_per_hour, 0.0) for f in fitted if not math.isnan(f.p))
    return _ranked(fitted, shared)


def _fit(key: Hashable, points: Points, total: float, cycle_seconds: float, cohort: Cohorts) -> _Fitted:
    unknown = SiteResult(key, math.nan, (-math.inf, math.inf), 0.0, False, cohort, -math.inf)
    if not points.enough:
        return _Fitted(unknown, math.nan)
    per_hour = HOUR / cycle_seconds
    if points.cycles >= T.drop_first_from and points.but_first().enough:
        points = points.but_first()
    line = trim(points, T.site_material * max(total, 0.0) / per_hour).line
    low, high = line.interval(T.report_level)
    growth = line.slope * per_hour
    rank = growth - T.rank_errors * line.se * per_hour
    result = SiteResult(key, growth, (low * per_hour, high * per_hour), 0.0, False, cohort, rank)
    return _Fitted(result, 1.0 - line.above(0.0))


def _ranked(fitted: list[_Fitted], total: float) -> list[SiteResult]:
    """Shares and significance filled in, most guilty first."""
    looked_at = sorted((f for f in fitted if not math.isnan(f.p)), key=lambda f: f.p)
    significant = set()
    for position, f in enumerate(looked_at):
        if f.p > T.family_level / (len(looked_at) - position):
            break
        significant.add(f.result.key)
    results = []
    for f in fitted:
        known = total > 0 and not math.isnan(f.p)
        share = min(max(f.result.growth_per_hour / total, 0.0), 1.0) if known else 0.0
        results.append(replace(f.result, share=share, significant=f.result.key in significant))
    return sorted(results, key=lambda r: (not r.significant, -r.rank_value))


def cohorts(readings: Sequence[Mapping[int, float]]) -> Cohorts:
    """Whether what was allocated in earlier cycles is still there: "leak", or goes away again: "bounded".

    readings: one per cycle, bytes alive by birth cycle, -1 for what was there before the first. The oldest half of the
    cohorts is looked at, without the start-up (-1 and the first cycle) and with at least two cycles of age.
    """
    born: dict[int, float] = {}
    for reading in readings:
        for cycle, size in reading.items():
            born.setdefault(cycle, size)
    grown_up = sorted(c for c in born if c > max(min(born), 0))[:-2]
    old = grown_up[: max(1, (len(grown_up) + 1) // 2)]
    at_birth = sum(born[c] for c in old)
    if not old or at_birth <= 0:
        return "unknown"
    alive = sum(readings[-1].get(c, 0.0) for c in old) / at_birth
    if alive <= T.cohort_bounded:
        return "bounded"
    return "leak" if alive >= T.cohort_leak else "unknown"
