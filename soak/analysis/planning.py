"""Before and during a run: can the limits be decided in the planned cycles, and may it stop early?"""

from __future__ import annotations

import math
from collections.abc import Sequence

from soak.analysis.decision import HOUR
from soak.analysis.distributions import poisson_bounds, t_quantile
from soak.analysis.judge import check
from soak.analysis.results import Decision, Kind
from soak.analysis.thresholds import THRESHOLDS as T


def cycles_to_decide(limit_per_hour: float, cycle_seconds: float, noise: float, kind: Kind = "bytes") -> int | None:
    """How many cycles it takes until a series without growth is called clean; None: more than 48, hopeless.

    noise: standard deviation of one cycle's floor, in units of the value (0.05 to 0.5 MB for rss of a Python service).
    Uses the half width of the 90 % interval of a slope over the cycles that remain after the warm-up, and for counts
    the exact bound of no event at all. Raises ValueError where the cycle or the limit is not one.
    """
    check(cycle_seconds, limit_per_hour, 0.0)
    limit = limit_per_hour * cycle_seconds / HOUR
    for cycles in range(T.least_cycles + T.warm_up_cycles, T.hopeless_cycles + 1):
        m = cycles - T.warm_up_cycles
        width = t_quantile(T.decide_level, float(m - 2)) * noise / math.sqrt(m * (m * m - 1) / 12.0)
        if kind == "count":
            width = max(width, poisson_bounds(0.0, T.decide_level)[1] / max(m - 1, 1))
        if width < (1.0 if kind == "count" else T.plan_margin) * limit:
            return cycles
    return None


def stop_early(verdicts: Sequence[Decision]) -> bool:
    """Whether a soak may end before its planned cycles; verdicts[i] is what was said after cycle i + 1.

    With 6 or 7 cycles it takes three equal verdicts in a row, from 8 on a single one; never on *inconclusive*.
    """
    cycles = len(verdicts)
    if cycles < T.stop_from or verdicts[-1] == "inconclusive":
        return False
    return cycles >= T.stop_at or len(set(verdicts[-T.stop_repeats :])) == 1
