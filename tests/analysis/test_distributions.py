"""Quantiles against printed tables."""

from __future__ import annotations

import math

import pytest

from soak.analysis.distributions import binomial_cdf, poisson_bounds, poisson_low, t_cdf, t_quantile


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


@pytest.mark.parametrize("p", [0.5, 3 / 7, 0.4])
@pytest.mark.parametrize("n", [1, 7, 60, 1000])
def test_the_chances_of_a_coin_agree_with_their_sum(n, p):
    """Term by term with whole numbers, for as long as these can be had as floats."""
    for k in {0, 1, n // 4, int(n * p), n // 2, n - 1, n}:
        exact = sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1))
        assert binomial_cdf(k, n, p) == pytest.approx(exact, abs=1e-11)


@pytest.mark.parametrize("n", [2000, 10**6, 10**9])
@pytest.mark.parametrize("sigmas", [-5.0, -1.645, 0.0, 3.0])
def test_a_coin_thrown_very_often_approaches_the_normal_law(n, sigmas):
    """Where the coefficients are no floats any more, de Moivre's theorem holds them to two places."""
    k = int(n / 2 + sigmas * math.sqrt(n) / 2)
    z = (k + 0.5 - n / 2) / (math.sqrt(n) / 2)
    assert binomial_cdf(k, n, 0.5) == pytest.approx(0.5 * math.erfc(-z / math.sqrt(2)), rel=0.05)
