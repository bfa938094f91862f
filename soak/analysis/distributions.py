"""Quantiles of Student's t and of the Poisson mean, chances of a coin, without scipy (its import alone costs 98 MB).

The incomplete beta and gamma functions are evaluated by the continued fractions and series of Press et al.,
Numerical Recipes, 3rd edition, sections 6.2 and 6.4; quantiles by bisection, which needs no derivative and cannot
run away. Results are cached: a run asks for the same few dozen again and again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

_TINY = 1e-300
_STEPS = 400


def _beta_fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of the incomplete beta function (Lentz's method)."""
    c, d = 1.0, 1.0 / _away_from_zero(1.0 - (a + b) * x / (a + 1.0))
    value = d
    for m in range(1, _STEPS):
        for factor in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 / _away_from_zero(1.0 + factor * d)
            c = _away_from_zero(1.0 + factor / c)
            value *= c * d
        if abs(c * d - 1.0) < 1e-14:
            break
    return value


def _away_from_zero(x: float) -> float:
    return x if abs(x) > _TINY else _TINY


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """I_x(a, b), the regularised incomplete beta function."""
    if x <= 0.0 or x >= 1.0:
        return 0.0 if x <= 0.0 else 1.0
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    if x < (a + 1.0) / (a + b + 2.0):
        return math.exp(log_front) * _beta_fraction(a, b, x) / a
    return 1.0 - math.exp(log_front) * _beta_fraction(b, a, 1.0 - x) / b


def _bisect(cdf: Callable[[float], float], p: float, low: float, high: float) -> float:
    """The x in [low, high] at which an increasing `cdf` reaches p."""
    for _ in range(200):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        if cdf(middle) < p:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def t_cdf(x: float, v: float) -> float:
    """P(T <= x) of Student's t with v > 0 degrees of freedom."""
    tail = 0.5 * _incomplete_beta(0.5 * v, 0.5, v / (v + x * x))
    return 1.0 - tail if x > 0 else tail


@lru_cache(maxsize=4096)
def t_quantile(p: float, v: float) -> float:
    """The p quantile (0 < p < 1) of Student's t with v > 0 degrees of freedom."""
    if p < 0.5:
        return -t_quantile(1.0 - p, v)
    return _bisect(lambda x: t_cdf(x, v), p, 0.0, 1e6)


def gamma_cdf(a: float, x: float) -> float:
    """P(a, x), the regularised lower incomplete gamma function."""
    if x <= 0.0:
        return 0.0
    log_front = a * math.log(x) - x - math.lgamma(a)
    if x < a + 1.0:
        term = total = 1.0 / a
        for n in range(1, _STEPS * 10):
            term *= x / (a + n)
            total += term
            if term < total * 1e-15:
                break
        return total * math.exp(log_front)
    b = x + 1.0 - a
    c, d = 1.0 / _TINY, 1.0 / _away_from_zero(b)
    value = d
    for n in range(1, _STEPS * 10):
        factor = -n * (n - a)
        b += 2.0
        d = 1.0 / _away_from_zero(factor * d + b)
        c = _away_from_zero(b + factor / c)
        value *= c * d
        if abs(c * d - 1.0) < 1e-14:
            break
    return 1.0 - value * math.exp(log_front)


@lru_cache(maxsize=4096)
def poisson_bounds(events: float, p: float) -> tuple[float, float]:
    """The exact one-sided bounds, each at level p, of a Poisson mean after `events` were counted.

    Garwood, "Fiducial limits for the Poisson distribution", Biometrika 28 (1936): half the chi-squared quantiles with
    2k and 2k + 2 degrees of freedom. Zero events and p = 0.95 give (0, 3.0).
    """
    ceiling = 10.0 * (events + 10.0)
    low = _bisect(lambda x: gamma_cdf(events, x), 1.0 - p, 0.0, ceiling) if events > 0 else 0.0
    return low, _bisect(lambda x: gamma_cdf(events + 1.0, x), p, 0.0, ceiling)


@lru_cache(maxsize=4096)
def poisson_low(events: float, p: float) -> float:
    """The lower one-sided bound at level p of a Poisson mean, by the mid-P rule.

    Half of the probability of what was seen is counted, which takes the exact bound's reluctance away (Lancaster,
    "Significance tests in discrete distributions", J. American Statistical Association 56, 1961).
    """
    if events <= 0:
        return 0.0

    def mid(x: float) -> float:
        return 0.5 * (gamma_cdf(events, x) + gamma_cdf(events + 1.0, x))

    return _bisect(mid, 1.0 - p, 0.0, 10.0 * (events + 10.0))


@lru_cache(maxsize=1024)
def chi2_quantile(p: float, v: float) -> float:
    """The p quantile of chi-squared with v > 0 degrees of freedom."""
    return 2.0 * _bisect(lambda x: gamma_cdf(0.5 * v, x), p, 0.0, 10.0 * (v + 10.0))


def binomial_cdf(k: int, n: int, p: float) -> float:
    """P(X <= k) where X counts the successes of n trials, each with probability 0 < p < 1; for any n.

    The terms are added from k downwards, where they only fall, until they no longer matter: some multiple of sqrt(n)
    of them. The first is taken from logarithms, since the coefficients leave the range of a float from n = 1030 on.
    """
    if k < 0 or k >= n:
        return 0.0 if k < 0 else 1.0
    if k > n * p:
        return 1.0 - binomial_cdf(n - k - 1, n, 1.0 - p)
    log_ways = math.lgamma(n + 1.0) - math.lgamma(k + 1.0) - math.lgamma(n - k + 1.0)
    term = total = math.exp(log_ways + k * math.log(p) + (n - k) * math.log1p(-p))
    for i in range(k, 0, -1):
        term *= i * (1.0 - p) / ((n - i + 1) * p)
        total += term
        if term <= total * 1e-16:
            break
    return total
