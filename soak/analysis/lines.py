"""Straight lines through floors, averaged over what the noise between neighbouring floors may be like.

Floors of neighbouring cycles resemble each other to an unknown degree, and seven of them do not say to which. So the
slope is estimated under each of a handful of covariances (independent, autoregressive, plus a random walk, a fading
warm-up, a step or a stray cycle) by generalised least squares, and the answers are weighted by how well each explains
the residuals: Bayesian model averaging (Hoeting et al., Statistical Science 14, 1999) with the restricted likelihood
(Patterson and Thompson, Biometrika 58, 1971). Given a covariance the slope has a t distribution; the mixture of these
is the interval.

All tables depend on the grid of cycles only, so they are computed once and serve every series of a run.
Times are in cycles, so a slope is a growth per cycle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from soak.analysis.distributions import chi2_quantile, t_cdf, t_quantile
from soak.analysis.thresholds import THRESHOLDS as T

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_ZERO = 1e-9  # residuals below this share of the series' range are rounding


@dataclass(frozen=True, slots=True)
class Design:
    """Generalised least squares of one slope and an intercept per group on a fixed grid, one row per covariance."""

    v: int  # degrees of freedom of the residual
    hat: Floats  # (n, n), ordinary least squares: fitted = hat @ y
    rows: Floats  # (models, n): slope = rows @ y
    quadratic: Floats  # (models, n, n): residual sum of squares = y Q y
    unit_variance: Floats  # (models,): of the slope, for residual variance 1
    log_weight: Floats  # (models,): prior and determinants of the restricted likelihood


@dataclass(frozen=True, slots=True)
class Line:
    """A fitted line; slopes per cycle. `slopes`, `errors` and `weights` have one entry per covariance.

    `sampling` is the standard error that sampled readings alone give the slope (0 where they are exact), `sampled` the
    degrees of freedom it is known with: twice the number of samples that the growth rests on.
    """

    slope: float
    v: int
    rss: float  # of ordinary least squares
    slopes: Floats
    errors: Floats
    weights: Floats
    sampling: float = 0.0
    sampled: int = 0

    def interval(self, level: float) -> tuple[float, float]:
        """Both one-sided bounds of the slope, each at this level."""
        known = self._known()
        if known is None:
            return self._quantile(1.0 - level), self._quantile(level)
        half = t_quantile(level, known[1]) * known[0]
        return self.slope - half, self.slope + half

    @property
    def se(self) -> float:
        """Standard error that gives the 90 % interval's mean half width with `v` degrees of freedom."""
        known = self._known()
        return self._scatter() if known is None else known[0]

    def _scatter(self) -> float:
        low, high = self._quantile(1.0 - T.decide_level), self._quantile(T.decide_level)
        return 0.5 * (high - low) / t_quantile(T.decide_level, self.v)

    def _known(self) -> tuple[float, int] | None:
        """(standard error, degrees of freedom) where the floors scatter no more than sampling makes them.

        Then both estimate the same and are pooled, but never below what sampling gives. None where the readings are
        exact, or scatter more than that: what sampling adds is in the scatter already.
        """
        if self.sampling <= 0.0 or self.v < 1:
            return None
        scatter = self._scatter()
        if scatter**2 > self.sampling**2 * chi2_quantile(1.0 - T.scatter_level, self.v) / self.v:
            return None
        freedom = self.v + self.sampled
        pooled = math.sqrt((self.v * scatter**2 + self.sampled * self.sampling**2) / freedom)
        return max(pooled, self.sampling), freedom

    def above(self, x: float) -> float:
        """The probability that the slope is above x."""
        if self.v < 1:
            return 0.5
        known = self._known()
        if known is not None:
            return 1.0 - t_cdf((x - self.slope) / known[0], known[1])
        return 1.0 - float(self.weights @ _cdf((x - self.slopes) / self.errors, self.v))

    def _quantile(self, p: float) -> float:
        """The p quantile of the mixture, by bisection between the components' own."""
        if self.v < 1:
            return math.copysign(math.inf, p - 0.5)
        own = self.slopes + t_quantile(p, self.v) * self.errors
        low, high = float(own.min()), float(own.max())
        for _ in range(40):
            middle = 0.5 * (low + high)
            if high - low <= 1e-9 * (abs(low) + abs(high)):
                break
            if float(self.weights @ _cdf((middle - self.slopes) / self.errors, self.v)) < p:
                low = middle
            else:
                high = middle
        return 0.5 * (low + high)


@lru_cache(maxsize=256)
def _cdf_table(v: int) -> tuple[Floats, Floats]:
    """arcsinh(x) and P(T <= x) on a grid, for interpolation."""
    x = np.linspace(-16.0, 16.0, 801)
    return x, np.array([t_cdf(math.sinh(a), float(v)) for a in x])


def _cdf(z: Floats, v: int) -> Floats:
    x, p = _cdf_table(v)
    return np.asarray(np.interp(np.arcsinh(z), x, p))


def columns(t: Floats, groups: Ints) -> Floats:
    """Regressors: an indicator per group and the time, in that order."""
    indicators = (groups[:, None] == np.unique(groups)[None, :]).astype(np.float64)
    return np.column_stack([indicators, t])


def covariances(t: Floats) -> list[tuple[Floats, float]]:
    """The covariances averaged over, each with its prior weight; t in cycles."""
    distance = np.abs(t[:, None] - t[None, :])
    since = t - t[0]
    walk = np.minimum(since[:, None], since[None, :])
    found = [((distance == 0).astype(np.float64), T.prior_white)]
    found += [(np.power(rho, distance), T.prior_ar / len(T.rhos)) for rho in T.rhos]
    found += [(np.eye(t.size) + q * walk, T.prior_walk / len(T.walks)) for q in T.walks]
    for tau in T.transients:
        z = T.transient_size * np.exp(-since / tau)
        found.append((np.eye(t.size) + np.outer(z, z), T.prior_transient / len(T.transients)))
    for j in range(1, t.size):
        z = T.step_size * (np.arange(t.size) >= j)
        found.append((np.eye(t.size) + np.outer(z, z), T.prior_step / (t.size - 1)))
    alone = range(1, t.size - 1) if t.size > T.outlier_points and np.diff(t).min() >= 1.0 else ()
    for j in alone:
        z = T.step_size * (np.arange(t.size) == j)
        found.append((np.eye(t.size) + np.outer(z, z), T.prior_outlier / len(alone)))
    return found


@lru_cache(maxsize=512)
def design(times: tuple[float, ...], groups: tuple[int, ...]) -> Design:
    """The tables of one grid; times in cycles, ascending."""
    t = np.array(times)
    x = columns(t - t.mean(), np.array(groups, dtype=np.int64))
    rows, quadratic, unit, weight = [], [], [], []
    for r, prior in covariances(t):
        inverse = np.linalg.inv(r)
        information = x.T @ inverse @ x
        spread = np.linalg.pinv(information)
        gain = spread @ x.T @ inverse
        rows.append(gain[-1])
        quadratic.append(inverse - inverse @ x @ gain)
        unit.append(float(spread[-1, -1]))
        determinants = np.linalg.slogdet(r)[1] + np.linalg.slogdet(information)[1]
        weight.append(math.log(prior) - 0.5 * float(determinants))
    return Design(
        t.size - x.shape[1],
        x @ np.linalg.pinv(x),
        np.array(rows),
        np.array(quadratic),
        np.array(unit),
        np.array(weight),
    )


def fit(t: Floats, y: Floats, groups: Ints, error: float = 0.0, scale: float = 0.0) -> Line:
    """The line through (t, y). error: standard error of a sampled reading; scale: of noise expected before any is seen.

    `scale` enters as `prior_noise` degrees of freedom (an inverse chi-squared prior), which is what lets very few
    floors say something.
    """
    d = design(tuple(t.tolist()), tuple(groups.tolist()))
    residual = y - d.hat @ y
    rss = float(residual @ residual)
    if rss <= (_ZERO * float(np.ptp(y))) ** 2 * t.size:
        rss = 0.0
    least = max((_ZERO * float(np.ptp(y))) ** 2, 1e-300)
    v = d.v + (T.prior_noise if scale > 0 else 0)
    squares = np.maximum(np.einsum("i,mij,j->m", y, d.quadratic, y), least) + T.prior_noise * scale * scale
    log_weight = d.log_weight - 0.5 * v * np.log(squares)
    weights = np.exp(log_weight - log_weight.max())
    weights /= weights.sum()
    slopes = d.rows @ y
    errors = np.sqrt(squares / max(v, 1) * d.unit_variance + 1e-300)
    row = weights @ d.rows
    return Line(
        float(row @ y), v, rss, slopes, errors, weights, error * math.sqrt(float(row @ row)), _samples(y, error)
    )


def _samples(y: Floats, error: float) -> int:
    """Degrees of freedom of a known sampling error: twice the samples behind the growth, see `walking_errors`."""
    if error <= 0.0:
        return 0
    share = float(y[-1] - y[0]) ** 2 * (y.size + 1) / (10.0 * error**2)
    return max(1, min(round(2.0 * share), T.most_samples))
