"""What of the beginning belongs to the warm-up: steps, curvature and a first floor that lies too low."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from soak.analysis.distributions import t_quantile
from soak.analysis.lines import Line, columns, fit
from soak.analysis.thresholds import THRESHOLDS as T

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Points:
    """Floors to be fitted: time in cycles, value, group of the shared intercept, and the cycle each belongs to."""

    t: Floats
    y: Floats
    group: Ints
    cycle: Ints
    error: float = 0.0
    scale: float = 0.0  # noise of a floor expected before any is seen

    def but_first(self) -> Points:
        """Without the first cycle."""
        return self.only(self.cycle > self.cycle[0])

    def only(self, keep: npt.NDArray[np.bool_]) -> Points:
        """The points selected."""
        return Points(self.t[keep], self.y[keep], self.group[keep], self.cycle[keep], self.error, self.scale)

    @property
    def cycles(self) -> int:
        """How many cycles there are."""
        return int(np.unique(self.cycle).size)

    @property
    def enough(self) -> bool:
        """Whether a line through them has an interval: cycles, and residuals beside a shared slope."""
        return self.cycles >= T.least_cycles and self.t.size - np.unique(self.group).size >= 2

    def line(self) -> Line:
        """The straight line through the points."""
        return fit(self.t, self.y, self.group, self.error, self.scale)


@dataclass(frozen=True, slots=True)
class Bend:
    """A quadratic term: c of c t^2, and the slope it gives at the end (per cycle)."""

    concave: bool
    convex: bool
    end_slope: float


@dataclass(frozen=True, slots=True)
class Trimmed:
    """What is left after trimming, and what it looks like."""

    points: Points
    line: Line
    bend: Bend
    step: bool
    dropped: bool  # whether cycles were cut off


def trim(points: Points, limit: float, least_jump: float = 0.0) -> Trimmed:
    """Drop cycles from the front while the rest still bends or starts too low.

    limit: per cycle; least_jump: size from which a one-off step may be taken out.
    """
    least = max(T.least_cycles, math.ceil(points.cycles / 2))
    all_cycles = points.cycles
    while True:
        whole = points.line()
        sides = _without_step(points, whole, least_jump)
        seen, line = (points, whole) if sides is None else (sides, sides.line())
        bend = curvature(seen, line, limit)
        warm = not (bend.concave or bend.convex or _starts_low(seen, line, limit))
        # Restarts leave single cycles, which have no slope.
        if warm or points.cycles <= least or not points.but_first().enough:
            shape = bend if sides is None else _straight(line)
            return Trimmed(points, line, shape, sides is not None, points.cycles < all_cycles)
        points = points.but_first()


def _straight(line: Line) -> Bend:
    return Bend(False, False, line.slope)


def curvature(points: Points, line: Line, limit: float) -> Bend:
    """Whether a quadratic term is significant and material."""
    t = points.t - points.t.mean()
    x = np.column_stack([columns(t, points.group), t * t])
    v = t.size - np.linalg.matrix_rank(x)
    if v < 1:
        return _straight(line)
    inverse = np.linalg.pinv(x)
    beta = inverse @ points.y
    c = float(beta[-1])
    bent = 2.0 * c * float(t[-1])
    end_slope = float(beta[-2]) + bent
    if abs(bent) <= T.material * max(abs(line.slope), limit):
        return Bend(False, False, end_slope)
    e = points.y - x @ beta
    se = math.sqrt(float(e @ e) / v * float(inverse[-1] @ inverse[-1]))
    concave = c < -se * t_quantile(1.0 - T.concave_level, v)
    convex = c > se * t_quantile(1.0 - T.convex_level, v)
    return Bend(concave, convex, end_slope)


def _starts_low(points: Points, line: Line, limit: float) -> bool:
    """Whether the first cycle lies below what the others predict, by a significant and material amount."""
    first = points.cycle == points.cycle[0]
    rest = points.only(~first)
    if rest.cycles < T.least_cycles or set(points.group[first]) - set(rest.group):
        return False
    x = columns(points.t, points.group)
    inverse = np.linalg.pinv(x[~first])
    beta = inverse @ rest.y
    v = rest.t.size - x.shape[1]
    if v < 1:
        return False
    e = rest.y - x[~first] @ beta
    miss = points.y[first] - x[first] @ beta
    s = math.sqrt(float(e @ e) / v)
    leverage = x[first] @ inverse
    count = miss.size
    se = s * math.sqrt(1.0 / count + float(np.sum(leverage.mean(axis=0) ** 2)))
    material = T.material * max(abs(line.slope), limit) * 0.5 * float(np.ptp(points.t))
    low = -float(miss.mean())
    return low > material and low > se * t_quantile(1.0 - T.first_level, v)


def _without_step(points: Points, line: Line, least_jump: float) -> Points | None:
    """The two sides of a one-off step as groups with an intercept of their own, where there is one."""
    m = points.t.size
    if m < T.step_points or m != points.cycles or np.unique(points.group).size > 1 or line.rss == 0.0:
        return None
    best = _best_step(points, line)
    if best is None:
        return None
    j, f, jump, slope, v = best
    level = 1.0 - T.step_level / max(m - 3, 1)
    if v < 1 or math.sqrt(f) <= t_quantile(level, v) or abs(jump) <= max(T.step_slopes * abs(slope), least_jump):
        return None
    return replace(points, group=points.group + (np.arange(m) >= j))


def _best_step(points: Points, line: Line) -> tuple[int, float, float, float, int] | None:
    """(place, F, jump, slope, degrees of freedom) of the step that explains most."""
    inverses, hats = _steps(tuple(points.t.tolist()))
    if not len(inverses):
        return None
    v = points.t.size - 3
    beta = inverses @ points.y
    residuals = points.y - hats @ points.y
    least = max(1e-24 * float(np.ptp(points.y)) ** 2, 1e-300)
    rss = np.maximum(np.einsum("ji,ji->j", residuals, residuals), least)
    f = np.maximum(line.rss - rss, 0.0) / (rss / v)
    best = int(f.argmax())
    return best + 2, float(f[best]), float(beta[best, 1]), float(beta[best, 2]), v


@lru_cache(maxsize=256)
def _steps(times: tuple[float, ...]) -> tuple[Floats, Floats]:
    """Pseudo-inverse and hat matrix of a line with a step, for each place from the third point to the last but one."""
    t = np.array(times)
    inverses, hats = [], []
    for j in range(2, t.size - 1):
        x = np.column_stack([np.ones(t.size), np.arange(t.size) >= j, t - t.mean()])
        inverses.append(np.linalg.pinv(x))
        hats.append(x @ inverses[-1])
    return np.array(inverses), np.array(hats)
