"""The error of readings that rest on samples, as `judge` and `judge_sites` take it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from soak.analysis.thresholds import THRESHOLDS as T

Floats = npt.NDArray[np.float64]


def walking_errors(variance: Floats) -> Floats:
    """One independent error per reading that gives the slope the error which the samples give it.

    variance: of each reading (one per cycle, ascending), in squares of the value. What lives on is sampled once, so
    readings share the error of their common part: from one to the next it walks by q = (v_last - v_first) / (m - 1).
    The slope of such a walk over m readings has the variance 6 q / 5 m (per reading), that of independent errors
    12 s^2 / m (m^2 - 1): equal for s^2 = q (m^2 - 1) / 10.
    """
    judged = variance[1:] if variance.size >= T.drop_first_from else variance
    m = judged.size
    walk = max(0.0, float(judged[-1] - judged[0])) / max(m - 1, 1) if m else 0.0
    return np.full(variance.size, np.sqrt(walk * (m * m - 1) / 10.0))
