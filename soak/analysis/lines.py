"""Straight lines through floors, with a standard error that holds when neighbouring floors resemble each other.

All tables depend on the grid of cycles only, so they are computed once and serve every series of a run.
Times are in cycles, so a slope is a growth per cycle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from soak.analysis.thresholds import THRESHOLDS as T

Floats = npt.NDArray[np.float64]
_RHO = np.arange(0.0, T.rho_highest + 0.01, 0.15)
_ZERO = 1e-10  # residuals below this share of the series' range are rounding


@dataclass(frozen=True, slots=True)
class Design:
    """Least squares of one slope and one intercept per group on a fixed grid, and its tables for the error."""

    t: Floats
    groups: npt.NDArray[np.int64]
    v: int  # degrees of freedom of the residual
    slope_row: Floats  # b = slope_row @ y
    hat: Floats  # fitted = hat @ y
    expected_ratio: Floats  # E[lag-1 ratio of the residual], one per rho of the grid
    variance_factor: Floats  # SE^2 / RSS, one per rho of the grid

    @property
    def annihilator(self) -> Floats:
        """I - hat."""
        return np.eye(self.t.size) - self.hat


@dataclass(frozen=True, slots=True)
class Line:
    """A fitted line: slope per cycle with its standard error and degrees of freedom."""

    slope: float
    se: float
    v: int
    rss: float
    residuals: Floats
    fitted: Floats


def columns(t: Floats, groups: npt.NDArray[np.int64]) -> Floats:
    """Regressors: an indicator per group and the time, in that order."""
    indicators = (groups[:, None] == np.unique(groups)[None, :]).astype(np.float64)
    return np.column_stack([indicators, t])


@lru_cache(maxsize=512)
def design(times: tuple[float, ...], groups: tuple[int, ...]) -> Design:
    """The tables of one grid; times in cycles, ascending."""
    t, g = np.array(times), np.array(groups, dtype=np.int64)
    x = columns(t - t.mean(), g)
    inverse = np.linalg.pinv(x)
    hat = x @ inverse
    m = np.eye(t.size) - hat
    v = t.size - x.shape[1]
    neighbours = np.diag(np.ones(t.size - 1), 1)
    w = 0.5 * (neighbours + neighbours.T)
    ratio, factor = [], []
    for rho in _RHO:
        r = correlation(t, float(rho))
        mrm = m @ r @ m
        trace = max(float(np.trace(mrm)), 1e-300)
        ratio.append(float(np.trace(w @ mrm)) / trace)
        factor.append(float(inverse[-1] @ r @ inverse[-1]) / trace)
    return Design(t, g, v, inverse[-1], hat, np.array(ratio), np.array(factor))


def correlation(t: Floats, rho: float) -> Floats:
    """Correlation of floors at times t (cycles): rho to the power of their distance."""
    distance = np.abs(t[:, None] - t[None, :])
    return np.asarray(np.power(rho, distance) if rho > 0 else (distance == 0).astype(np.float64))


def fit(t: Floats, y: Floats, groups: npt.NDArray[np.int64], error: float = 0.0) -> Line:
    """The line through (t, y) with its standard error.

    The lag-1 ratio of the residuals e'We/e'e is matched to its expectation tr(WMRM)/tr(MR), which undoes the bias that
    regression leaves in a short series' autocorrelation, and shrunk towards a prior; SE^2 = RSS (p R p')/tr(MR). A
    random walk in the residuals is added in quadrature. `error`: standard error of a single reading, same unit as y.
    """
    d = design(tuple(t.tolist()), tuple(groups.tolist()))
    fitted = d.hat @ y
    e = y - fitted
    rss = float(e @ e)
    spread = float(np.ptp(y))
    if rss <= (_ZERO * spread) ** 2 * t.size:
        rss, e = 0.0, np.zeros_like(e)
    slope = float(d.slope_row @ y)
    variance = rss * _variance_factor(d, e, rss) + error**2 * float(d.slope_row @ d.slope_row)
    return Line(slope, math.sqrt(variance + _walk(t, e) ** 2), d.v, rss, e, fitted)


def _variance_factor(d: Design, e: Floats, rss: float) -> float:
    """SE^2 / RSS at the correlation these residuals show."""
    if rss == 0.0 or d.v <= 0:
        return 0.0
    ratio = float(e[:-1] @ e[1:]) / rss
    observed = float(np.interp(ratio, np.maximum.accumulate(d.expected_ratio), _RHO))
    w = d.v / (d.v + T.rho_prior_weight)
    rho = w * observed + (1.0 - w) * T.rho_prior
    return float(np.interp(rho, _RHO, d.variance_factor))


def _walk(t: Floats, e: Floats) -> float:
    """Standard error of the slope if part of the residual increments were a random walk."""
    steps = np.diff(e)
    span = float(t[-1] - t[0])
    if steps.size < 2 or span <= 0:
        return 0.0
    return T.walk_share * math.sqrt(float(steps @ steps) / (steps.size - 1)) * math.sqrt(steps.size) / span
