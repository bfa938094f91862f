"""Properties that hold for any series, looked for by hypothesis."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soak.analysis import judge

MB = 1048576.0
HOUR = 3600.0
seeds = st.integers(0, 2**31)


def noisy(seed: int, cycles: int, rate: float, noise: float = 0.2 * MB):
    """60 samples per cycle, white noise, `rate` bytes per hour."""
    t = np.arange(0.0, cycles * HOUR, 60.0)
    return t, 60 * MB + rate * t / HOUR + np.random.default_rng(seed).normal(0, noise, t.size)


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(3, 9), st.floats(-2, 6), st.floats(1e-3, 1e3))
def test_scaling_values_and_limit_together_changes_nothing(seed, cycles, factor, scale):
    """A series in kilobytes against a limit in kilobytes gets the verdict of the one in bytes."""
    t, y = noisy(seed, cycles, factor * MB)
    one, other = judge(t, y, HOUR, MB), judge(t, y * scale, HOUR, MB * scale)
    assert other.verdict == one.verdict
    if one.known:
        assert other.growth_per_hour == pytest.approx(one.growth_per_hour * scale, rel=1e-5, abs=1e-5 * MB * scale)


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(3, 9), st.floats(-2, 6), st.integers(0, 500), st.floats(-1e9, 1e9))
def test_shifting_in_time_or_level_changes_nothing(seed, cycles, factor, later, higher):
    """The same cycles later in a run, or on top of more memory, are judged alike."""
    t, y = noisy(seed, cycles, factor * MB)
    one, other = judge(t, y, HOUR, MB), judge(t + later * HOUR, y + higher, HOUR, MB)
    assert other.verdict == one.verdict
    if one.known:
        assert other.growth_per_hour == pytest.approx(one.growth_per_hour, rel=1e-5, abs=1e-4 * MB)


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(3, 9), st.floats(0.5, 20))
def test_a_leak_turned_upside_down_is_never_a_leak(seed, cycles, factor):
    """Memory that shrinks as fast as a leak grows is not one."""
    t, y = noisy(seed, cycles, factor * MB)
    assert judge(t, -y, HOUR, MB).verdict != "leak"


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_more_cycles_of_a_large_leak_never_turn_clean(seed):
    """A leak at five times the limit is never called clean, however long one looks."""
    t, y = noisy(seed, 14, 5 * MB)
    for cycles in range(1, 15):
        there = t < cycles * HOUR
        assert judge(t[there], y[there], HOUR, MB).verdict != "clean"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(st.floats(-1e12, 1e12), st.just(math.nan)), max_size=60),
    st.floats(0.5, 5000.0),
    st.sampled_from(["bytes", "count"]),
    st.lists(st.floats(0, 4e4), max_size=3),
)
def test_any_numbers_give_a_verdict_or_nothing(values, spacing, kind, restarts):
    """Whatever the values, gaps and restarts, there is a verdict with ordered bounds and never a NaN interval."""
    t = np.arange(len(values)) * spacing
    v = judge(t, values, HOUR, MB, kind=kind, restarts=restarts)
    assert v.verdict in ("leak", "clean", "inconclusive")
    assert v.ci95[0] <= v.ci95[1]
    assert v.known or (v.verdict == "inconclusive" and v.ci95 == (-math.inf, math.inf))
    assert not v.known or v.ci95[0] <= v.growth_per_hour <= v.ci95[1]


@pytest.mark.filterwarnings("error")
@settings(max_examples=20, deadline=None)
@given(seeds, st.integers(4, 9), st.lists(st.floats(0.1, 8.9), max_size=3), st.sampled_from(["bytes", "count"]))
def test_restarts_anywhere_give_bounds_around_the_estimate(seed, cycles, restarts, kind):
    """However the restarts cut a run, what is left gives finite ordered bounds or no number at all."""
    t, y = noisy(seed, cycles, MB)
    v = judge(t, y, HOUR, MB, kind=kind, restarts=[r * HOUR for r in sorted(restarts)])
    assert not v.known or -math.inf < v.ci95[0] <= v.growth_per_hour <= v.ci95[1] < math.inf


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 1e12), st.integers(1, 400))
def test_a_constant_series_never_leaks(level, samples):
    """No movement is no growth, from a single sample to many cycles."""
    t = np.arange(samples) * 100.0
    v = judge(t, np.full(samples, level), HOUR, MB)
    assert v.verdict != "leak"
    assert not v.known or v.growth_per_hour == pytest.approx(0.0, abs=1e-3)
