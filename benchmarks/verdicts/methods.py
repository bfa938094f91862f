"""soak's judge and the four usual ways side by side, each as a function from a series to a `Said`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.verdicts.noise import Floats
from benchmarks.verdicts.series import Series
from soak.analysis import judge

HOUR = 3600.0
_MOST_SAMPLES = 300  # Theil-Sen is quadratic: thinned evenly, which favours it (less correlation between neighbours)


@dataclass(frozen=True)
class Said:
    """A verdict and the interval behind it, per hour; NaN bounds where a method has none."""

    verdict: str
    low: float
    high: float


Method = Callable[[Series, float, float], Said]


def _by_interval(b: float, half: float, limit: float) -> Said:
    low, high = b - half, b + half
    verdict = "leak" if low > limit else "clean" if high < limit else "inconclusive"
    return Said(verdict, low, high)


def by_soak(s: Series, cycle_seconds: float, trough: float) -> Said:
    """What this package does."""
    v = judge(s.times, s.values, cycle_seconds, s.limit, s.kind, None, trough, s.restarts)
    return Said(v.verdict, *v.ci95) if v.known else Said(v.verdict, np.nan, np.nan)


def last_minus_first(s: Series, cycle_seconds: float, trough: float) -> Said:
    """The difference of the ends over the time between them."""
    b = float(s.values[-1] - s.values[0]) / (s.times[-1] - s.times[0]) * HOUR
    return Said("leak" if b > s.limit else "clean", np.nan, np.nan)


def _least_squares(t: Floats, y: Floats, limit: float) -> Said:
    n = t.size
    if n < 3:
        return Said("inconclusive", np.nan, np.nan)
    x = t - t.mean()
    b = float(x @ y / (x @ x))
    e = y - y.mean() - b * x
    half = 1.96 if n > 30 else [12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23][min(n - 3, 9)]
    return _by_interval(b * HOUR, half * float(np.sqrt(e @ e / (n - 2) / (x @ x))) * HOUR, limit)


def line_through_samples(s: Series, cycle_seconds: float, trough: float) -> Said:
    """Least squares on all samples, as if they were independent."""
    return _least_squares(s.times, s.values, s.limit)


def line_through_minima(s: Series, cycle_seconds: float, trough: float) -> Said:
    """Least squares on the lowest sample of each cycle."""
    cycle = np.floor(s.times / cycle_seconds)
    numbers = np.unique(cycle)
    lowest = np.array([s.values[cycle == n].min() for n in numbers])
    return _least_squares((numbers + 0.5) * cycle_seconds, lowest, s.limit)


def theil_sen(s: Series, cycle_seconds: float, trough: float) -> Said:
    """The median of all pairwise slopes, with the interval of Sen (1968) and the test of Mann and Kendall."""
    thin = np.linspace(0, s.times.size - 1, min(_MOST_SAMPLES, s.times.size)).astype(int)
    t, y = s.times[thin], s.values[thin]
    i, j = np.triu_indices(t.size, 1)
    slopes = np.sort((y[j] - y[i]) / (t[j] - t[i]))
    n = t.size
    spread = 1.96 * np.sqrt(n * (n - 1) * (2 * n + 5) / 18.0)
    low = slopes[max(0, int((slopes.size - spread) / 2))] * HOUR
    high = slopes[min(slopes.size - 1, int((slopes.size + spread) / 2))] * HOUR
    trend = abs(np.sign(y[j] - y[i]).sum()) > spread
    verdict = "leak" if low > s.limit and trend else "clean" if high < s.limit else "inconclusive"
    return Said(verdict, float(low), float(high))


METHODS: dict[str, Method] = {
    "last minus first": last_minus_first,
    "least squares, all samples": line_through_samples,
    "Theil-Sen + Mann-Kendall": theil_sen,
    "least squares, cycle minima": line_through_minima,
    "soak": by_soak,
}
