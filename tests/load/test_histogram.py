"""Histograms: bounded, mergeable, and right to within half a percent."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soak.load.histogram import MAX_BUCKETS, MAX_US, Histogram, bucket_middle, bucket_of, merged

SECONDS = st.floats(0, 86_400)


def filled(values: list[float]) -> Histogram:
    """A histogram of these seconds."""
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return histogram


@given(st.integers(0, MAX_US))
def test_a_bucket_is_at_most_half_a_percent_off(us: int) -> None:
    """The middle of a value's bucket is within 0.4 % of it, and exact below 256 us."""
    bucket = bucket_of(us)
    assert 0 <= bucket < MAX_BUCKETS
    assert abs(bucket_middle(bucket) - us) <= (0.004 * us if us >= 256 else 0)


def test_buckets_are_in_order_without_holes() -> None:
    """Each boundary leads to the next bucket."""
    assert [bucket_of(us) for us in (0, 255, 256, 257, 258, 511, 512)] == [0, 255, 256, 256, 257, 383, 384]


@given(st.lists(SECONDS, min_size=1, max_size=200), st.floats(0.001, 1))
def test_quantiles_are_those_of_the_sorted_values(values: list[float], q: float) -> None:
    """Nearest rank, to within the width of a bucket and a rounding to microseconds."""
    rank = max(1, -int(-q * len(values) // 1))
    truth = sorted(values)[rank - 1]
    assert filled(values).quantile(q) == pytest.approx(truth, rel=0.005, abs=1.1e-6)


@given(st.lists(SECONDS, max_size=50), st.lists(SECONDS, max_size=50))
def test_merging_is_recording_both(first: list[float], second: list[float]) -> None:
    """Merged histograms equal the histogram of all values."""
    assert merged([filled(first), filled(second)]) == filled(first + second)


@given(st.lists(SECONDS, max_size=50))
def test_bytes_give_the_same_histogram_back(values: list[float]) -> None:
    """to_bytes and from_bytes are inverse."""
    histogram = filled(values)
    assert Histogram.from_bytes(histogram.to_bytes()) == histogram


@given(st.binary(max_size=200))
def test_other_bytes_are_refused(data: bytes) -> None:
    """Anything else is a ValueError, never a wrong histogram."""
    try:
        histogram = Histogram.from_bytes(data)
    except ValueError:
        return
    assert histogram.to_bytes() == data


def test_it_stays_small_however_much_is_recorded() -> None:
    """100,000 values over nine orders of magnitude fill less than the bound."""
    numbers = random.Random(7)
    histogram = filled([10 ** numbers.uniform(-6, 3) for _ in range(100_000)])
    assert histogram.count == 100_000
    assert len(histogram.counts) <= MAX_BUCKETS < 4300


def test_what_is_out_of_range_is_kept_at_its_end() -> None:
    """Below zero counts as zero, beyond a day as a day."""
    histogram = filled([-1.0, 1e9])
    assert (histogram.quantile(0.5), histogram.maximum) == (0.0, MAX_US / 1e6)


def test_an_empty_one_has_no_figures() -> None:
    """None, not zero."""
    assert Histogram().quantile(0.5) is None
    assert Histogram().mean is None
    assert set(Histogram().percentiles_ms().values()) == {None}
