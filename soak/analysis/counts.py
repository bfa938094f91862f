"""Counts: handles are lost one by one, so chance has a known law, and few events say more than a line does."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from soak.analysis.distributions import binomial_cdf, chi2_quantile, gamma_cdf, poisson_bounds, poisson_low
from soak.analysis.thresholds import THRESHOLDS as T
from soak.analysis.trimming import Points, Trimmed

Floats = npt.NDArray[np.float64]


def counted(trimmed: Trimmed, low: float, high: float, level: float) -> tuple[float, float]:
    """The interval of a count, widened by what chance does to few events.

    Lost at random, they follow a Poisson process, with exact bounds; every net event counts against *clean*, also one
    that looks like a one-off. Lost more evenly than that, one event more or less is all that the ends can hide.
    """
    points = trimmed.points
    span = float(np.ptp(points.t))
    events = float(round(max(trimmed.line.slope * span, 0.0)))
    if evenness(points) <= T.even_level:
        return min(low, (events - 1.0) / span), max(high, (events + 1.0) / span)
    net = 0.0 if trimmed.step else net_events(points)
    most = poisson_bounds(max(events, net), level)[1]
    return min(low, poisson_low(events, level) / span), max(high, most / span)


def above(trimmed: Trimmed, rate: float) -> float:
    """The probability that handles are lost faster than `rate` per cycle.

    Where no floor ever falls and the losses vary from cycle to cycle no more than chance has it, they are events and
    nothing else: a Poisson rate (with the prior of Jeffreys), or evenly spaced ones, whose number the two ends of the
    run know to one; each as probable as the other before it is seen how they come. Otherwise the line has to say so
    too.
    """
    points = trimmed.points
    span = float(np.ptp(points.t))
    alone = only_events(trimmed)
    events = net_events(points) if alone else float(round(trimmed.line.slope * span))
    if events <= 0:
        return 0.0
    random = 1.0 - gamma_cdf(events + 0.5, rate * span)
    even = evenness(points)
    share = 1.0 / (1.0 + even) if even < 1.0 else 0.0
    by_events = share * _regular_above(events, rate * span) + (1.0 - share) * random
    return by_events if alone else min(by_events, trimmed.line.above(rate))


def _regular_above(events: float, expected: float) -> float:
    """P(mean > expected) where evenly spaced events were counted between two moments that know nothing of them."""
    d = min(max(expected - events, -1.0), 1.0)
    return 1.0 - 0.5 * (1.0 + d) ** 2 if d < 0 else 0.5 * (1.0 - d) ** 2


def only_events(trimmed: Trimmed) -> bool:
    """Whether the floors move by losses alone: none falls, and they scatter no more than a Poisson process."""
    if trimmed.step:
        return False
    steps = increments(trimmed.points)
    total = float(steps.sum())
    if steps.size < 2 or (steps < 0).any() or total <= 0:
        return False
    mean = total / steps.size
    return float(((steps - mean) ** 2).sum()) / mean <= chi2_quantile(1.0 - T.scatter_level, float(steps.size - 1))


def slowed(trimmed: Trimmed, limit: float) -> bool:
    """Whether so few of the events fell into the second half that chance hardly has it, and they are below the limit.

    Given their number, events of a steady process fall into either half as a coin does.
    """
    steps = increments(trimmed.points)
    half = steps.size // 2
    late, all_of_them = int(steps[-half:].sum()), int(steps.sum())
    return binomial_cdf(late, all_of_them, half / steps.size) <= T.scatter_level and late / half < limit


def increments(points: Points) -> Floats:
    """Events from floor to floor, over the segments."""
    parts = [np.diff(points.y[points.group == g]) for g in np.unique(points.group)]
    return np.asarray(np.round(np.concatenate(parts)))


def net_events(points: Points) -> float:
    """Last floor minus first, summed over the segments."""
    segments = points.group // 2
    parts = [points.y[segments == s] for s in np.unique(segments)]
    return float(round(sum(float(p[-1] - p[0]) for p in parts)))


def evenness(points: Points) -> float:
    """The chance that a Poisson process spreads its events as evenly over the cycles as they were seen.

    1.0 where they are not as even as they can be, or where there is no way to tell (cycles missing, no event).
    """
    cycles, first = np.unique(points.cycle, return_index=True)
    steps = np.round(np.diff(points.y[first]))
    n, k = steps.size, int(steps.sum())
    if k <= 0 or np.unique(np.diff(cycles)).size > 1 or np.unique(points.group[first]).size > 1:
        return 1.0
    each, over = divmod(k, n)
    if set(steps.tolist()) - {float(each), float(each + 1)}:
        return 1.0
    log_p = math.lgamma(n + 1) - math.lgamma(over + 1) - math.lgamma(n - over + 1) + math.lgamma(k + 1)
    log_p -= (n - over) * math.lgamma(each + 1) + over * math.lgamma(each + 2) + k * math.log(n)
    return math.exp(log_p)
