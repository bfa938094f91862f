"""Quantiles against printed tables."""

from __future__ import annotations

import pytest

from soak.analysis.distributions import poisson_bounds, poisson_low, t_cdf, t_quantile


@pytest.mark.parametrize(
    ("p", "v", "expected"),
    [(0.975, 1, 12.706), (0.95, 3, 2.353), (0.975, 5, 2.571), (0.90, 6, 1.440), (0.995, 30, 2.750)],
)
def test_students_t_agrees_with_its_table(p, v, expected):
    """Any statistics textbook's table, to three places; the lower tail mirrors it."""
    assert t_quantile(p, v) == pytest.approx(expected, abs=6e-4)
    assert t_quantile(1 - p, v) == -t_quantile(p, v)
    assert t_cdf(t_quantile(p, v), v) == pytest.approx(p)


@pytest.mark.parametrize(("events", "low", "high"), [(0, 0.0, 3.689), (1, 0.0253, 5.572), (10, 4.795, 18.39)])
def test_poisson_bounds_agree_with_garwoods_table(events, low, high):
    """The exact 95 % limits of a Poisson mean as Garwood printed them."""
    assert poisson_bounds(float(events), 0.975) == pytest.approx((low, high), rel=1e-3)


def test_the_mid_p_bound_is_a_little_above_the_exact_one():
    """Counting half of what was seen can only raise the lower bound, and seven events at 5 % give 3.5 or more."""
    assert poisson_bounds(7.0, 0.95)[0] < 3.5 < poisson_low(7.0, 0.95) < 7.0
    assert poisson_low(0.0, 0.95) == 0.0
