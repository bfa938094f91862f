"""From samples to floors: one robust low value per complete cycle, or one per half where cycles are few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from soak.analysis.thresholds import THRESHOLDS as T

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CycleFloor:
    """What is kept of one finished cycle."""

    cycle: int
    value: float
    halves: tuple[float, float]  # floors of the phases [0, 1/2) and [1/2, 1); equal to value where there is one reading
    error: float  # standard error of the reading itself, 0 where it is exact
    samples: int
    usable: bool
    why: str  # code of why not: gaps, no_trough, restarted; "" where usable


@dataclass(frozen=True, slots=True)
class Floors:
    """All cycles of a series."""

    cycles: tuple[CycleFloor, ...]
    sparse: bool  # read once per cycle

    def usable(self) -> list[CycleFloor]:
        """The cycles that may be compared."""
        return [c for c in self.cycles if c.usable]


def as_series(times: object, values: object, errors: object = None) -> tuple[Floats, Floats, Floats]:
    """Checked copies of a series without its gaps. Raises ValueError where it is not one.

    times: seconds, ascending; values: NaN is a gap; errors: standard error per point or None.
    """
    t = np.asarray(times, dtype=np.float64)
    y = np.asarray(values, dtype=np.float64)
    e = np.zeros_like(y) if errors is None else np.asarray(errors, dtype=np.float64)
    if t.ndim != 1 or y.ndim != 1 or t.shape != y.shape or e.shape != y.shape:
        raise ValueError(f"times and values must be one-dimensional and of equal length, got {t.shape} and {y.shape}")
    if not np.isfinite(t).all():
        raise ValueError("times must be finite")
    if t.size > 1 and (t[1:] < t[:-1]).any():
        raise ValueError("times must be ascending")
    if np.isinf(y).any():
        raise ValueError("values must be finite or NaN (a gap)")
    there = ~np.isnan(y)
    return (t, y, e) if there.all() else (t[there], y[there], e[there])


def typical_interval(times: Floats) -> float:
    """Median distance of neighbouring samples, seconds; 0 with fewer than two."""
    return float(np.median(np.diff(times))) if times.size > 1 else 0.0


def quantile(values: Floats, q: float) -> float:
    """The q quantile, linear between order statistics, in linear time."""
    place = q * (values.size - 1)
    low = int(place)
    high = min(low + 1, values.size - 1)
    part = np.partition(values, (low, high))
    return float(part[low] + (place - low) * (part[high] - part[low]))


@dataclass(frozen=True, slots=True)
class Summary:
    """What is kept of the samples of one cycle: a few numbers, however many samples there were."""

    cycle: int
    count: int
    in_trough: int
    interval: float  # seconds, median under load; 0 with a single sample
    value: float
    halves: tuple[float, float]
    last_t: float
    last_value: float
    error: float


def summarise(
    cycle: int, times: Floats, values: Floats, errors: Floats, cycle_seconds: float, trough: float
) -> Summary:
    """The summary of one cycle's samples; at least one, ascending, gaps taken out."""
    start = cycle * cycle_seconds
    value = quantile(values, T.floor_quantile)
    split = int(np.searchsorted(times, start + 0.5 * cycle_seconds))
    halves = [quantile(p, T.floor_quantile) if p.size else value for p in (values[:split], values[split:])]
    under_load = int(np.searchsorted(times, start + trough * cycle_seconds))
    # What is dear to read comes seldom under load and often in the trough: that says nothing about what was due.
    interval = typical_interval(times[:under_load] if under_load > 1 else times)
    return Summary(
        cycle,
        int(times.size),
        int(times.size) - under_load,
        interval,
        value,
        (halves[0], halves[1]),
        float(times[-1]),
        float(values[-1]),
        float(errors[-1]),
    )


def floors_of(
    times: Floats,
    values: Floats,
    errors: Floats,
    cycle_seconds: float,
    trough: float = 0.85,
    restarts: Sequence[float] = (),
) -> Floors:
    """The floor of every cycle that a sample fell into; the arrays as `as_series` returns them."""
    if times.size == 0:
        return Floors((), False)
    numbers = np.floor(times / cycle_seconds).astype(np.int64)
    starts = np.flatnonzero(np.diff(numbers, prepend=numbers[0] - 1))
    ends = np.append(starts[1:], times.size)
    summaries = [
        summarise(int(numbers[a]), times[a:b], values[a:b], errors[a:b], cycle_seconds, trough)
        for a, b in zip(starts.tolist(), ends.tolist(), strict=True)
    ]
    return floors_from(summaries, cycle_seconds, trough, restarts)


def floors_from(
    summaries: Sequence[Summary], cycle_seconds: float, trough: float = 0.85, restarts: Sequence[float] = ()
) -> Floors:
    """Floors from summaries, each marked as usable or with the code of what it lacks."""
    sparse = sum(s.count for s in summaries) <= T.sparse * len(summaries)
    intervals = [s.interval for s in summaries if s.interval > 0]
    expected = cycle_seconds / max(float(np.median(intervals)) if intervals else cycle_seconds, 1e-9)
    restarted = {int(r // cycle_seconds) for r in restarts}
    cycles = []
    for s in summaries:
        why = "restarted" if s.cycle in restarted else ("" if sparse else _lacks(s, trough, expected))
        value, halves = (s.last_value, (s.last_value, s.last_value)) if sparse else (s.value, s.halves)
        cycles.append(CycleFloor(s.cycle, value, halves, s.error, s.count, not why, why))
    return Floors(tuple(cycles), sparse)


def _lacks(s: Summary, trough: float, expected: float) -> str:
    if s.count < T.samples_share * expected:
        return "gaps"
    return "no_trough" if s.in_trough < max(1.0, T.trough_share * (1.0 - trough) * expected) else ""
