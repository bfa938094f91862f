"""Peaks, ceilings and the time until one is reached."""

from __future__ import annotations

import math

import numpy as np
import pytest

from soak.analysis import hours_to, judge_ceiling, judge_peak

MB = 1048576.0
C = 100.0


def sawtooth(cycles: int = 6):
    """Level 50 MB, 20 MB more under load (phase below 0.85), one sample per second."""
    t = np.arange(0.0, cycles * C, 1.0)
    return t, 50 * MB + np.where((t / C) % 1 < 0.85, 20 * MB, 0.0)


def test_the_amplitude_of_the_load_is_no_peak():
    """70 MB under load is what the first cycles show: allowed is floor 50 + amplitude 20 + 10 MB."""
    t, y = sawtooth()
    p = judge_peak(t, y, C, 10 * MB, True)
    assert not p.broken
    assert (p.floor, p.allowed) == (50 * MB, 80 * MB)


def test_a_single_stray_sample_breaks_nothing_and_two_do():
    """One sample of 200 MB may be a misreading; two neighbours are a peak, with its moment and phase."""
    t, y = sawtooth()
    y[450] = 200 * MB
    assert not judge_peak(t, y, C, 10 * MB, True).broken
    y[451] = 190 * MB
    p = judge_peak(t, y, C, 10 * MB, True)
    assert p.broken
    assert (p.peak, p.t, p.phase) == (190 * MB, 450.0, "load")
    assert p.excess == 110 * MB


def test_a_peak_in_the_trough_says_so():
    """A peak at phase 0.9 of a cycle is in the quiet phase."""
    t, y = sawtooth()
    y[490:494] = 200 * MB
    assert judge_peak(t, y, C, 10 * MB, True).phase == "quiet"


def test_an_absolute_limit_asks_for_no_baseline():
    """900 descriptors are 900 descriptors, in the first cycle too."""
    t = np.arange(50.0)
    assert judge_peak(t, np.full(50, 901.0), C, 900.0, False).broken
    assert not judge_peak(t, np.full(50, 900.0), C, 900.0, False).broken


def test_each_segment_has_its_own_baseline():
    """After a restart 40 MB more under the same load is not a peak over what the new process began with."""
    t, y = sawtooth(8)
    y[t >= 4 * C] += 40 * MB
    assert judge_peak(t, y, C, 10 * MB, True).broken
    assert not judge_peak(t, y, C, 10 * MB, True, restarts=(4 * C,)).broken


def test_without_samples_nothing_is_broken():
    """No samples, no peak, no number."""
    p = judge_peak([], [], C, MB, True)
    assert not p.broken and math.isnan(p.peak)


def test_a_series_at_its_ceiling_is_found():
    """1,014 of 1,024 descriptors is within 1 %: allocation fails about there."""
    t = np.arange(100.0)
    y = np.minimum(500 + 10 * t, 1020)
    found = judge_ceiling(t, y, 1024)
    assert found.reached
    assert found.t == 52.0  # 500 + 10 * 52 = 1020, the first of two neighbours above 1,013.76
    assert not judge_ceiling(t, y, 4096).reached
    with pytest.raises(ValueError, match="above 0"):
        judge_ceiling(t, y, 0)


def test_time_to_a_ceiling_comes_from_both_ends_of_the_interval():
    """100 MB of room at 5 to 10 MB/h: 10 to 20 hours; no end where growth may be nil; None where there is none."""
    assert hours_to(100.0, 200.0, (5.0, 10.0)) == (10.0, 20.0)
    assert hours_to(100.0, 200.0, (-1.0, 10.0)) == (10.0, math.inf)
    assert hours_to(100.0, 200.0, (-2.0, -1.0)) is None
