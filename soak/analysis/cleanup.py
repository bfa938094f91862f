"""Does a resource come back: at once when the load drops, and within the grace time?"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from soak.analysis.distributions import t_quantile
from soak.analysis.floors import Floats, as_series, typical_interval
from soak.analysis.judge import check
from soak.analysis.results import CleanupResult, Kind, Passed
from soak.analysis.thresholds import THRESHOLDS as T


def judge_cleanup(
    times: object,
    values: object,
    cycle_seconds: float,
    trough: float,
    grace_seconds: float,
    quantum: float = 1.0,
    restarts: Sequence[float] = (),
    *,
    kind: Kind | None = None,
) -> CleanupResult:
    """Two equivalence tests per resource, over all cycles.

    trough: phase at which the load drops. The baseline of a cycle is the level at the end of the quiet phase before it
    (so growth from cycle to cycle is left to `judge`). "Immediate" looks at the second and third sample after the drop
    (the first may still see requests in flight), "within grace" at what follows the grace time. Pass: the 95 % bound of
    the mean residual is below the margin; fail: it is above. Margin: half a quantum for counts; for bytes (kind, or any
    other quantum than 1) also a tenth of the amplitude under load. Schuirmann, "A comparison of the two one-sided tests
    procedure", J. Pharmacokinetics and Biopharmaceutics 15 (1987).
    """
    check(cycle_seconds, 0.0, trough)
    t, y, _ = as_series(times, values)
    counts = kind == "count" or (kind is None and quantum == 1.0)
    rows = _cycles(t, y, cycle_seconds, trough, grace_seconds, restarts)
    if not rows:
        return CleanupResult("inconclusive", "inconclusive", math.nan, math.nan, 0)
    amplitude = float(np.median([r[2] for r in rows]))
    margin = max(T.cleanup_quantum * quantum, 0.0 if counts else T.cleanup_share * amplitude)
    immediate = np.array([r[0] for r in rows])
    late = np.array([r[1] for r in rows])
    in_time = cycle_seconds * (1.0 - trough) > grace_seconds
    graced = _equivalent(late, margin)
    if graced == "fail" and not in_time:
        graced = "inconclusive"  # the quiet phase ended before the grace time did
    there = late[~np.isnan(late)]
    residual = float(np.median(there)) if there.size else math.nan
    return CleanupResult(_equivalent(immediate, margin), graced, residual, margin, len(rows))


def _cycles(
    t: Floats, y: Floats, cycle_seconds: float, trough: float, grace: float, restarts: Sequence[float]
) -> list[tuple[float, float, float]]:
    """(residual at once, residual after grace, amplitude) of each cycle that has a quiet phase before it."""
    step = typical_interval(t)
    restarted = {int(r // cycle_seconds) for r in restarts}
    quiet = cycle_seconds * (1.0 - trough)
    wait = min(grace, quiet - 2.0 * step)
    rows = []
    for number in range(1, int(t[-1] // cycle_seconds) + 1 if t.size else 0):
        start = number * cycle_seconds
        drop = start + trough * cycle_seconds
        before = _between(t, y, start - min(quiet / 2.0, max(3.0 * step, quiet / 4.0)), start)
        under_load = _between(t, y, start, drop)
        if not before.size or not under_load.size or {number, number - 1} & restarted:
            continue
        base = float(np.median(before))
        at_once = _between(t, y, drop + step, drop + 3.0 * step)
        late = _between(t, y, drop + max(wait, 0.0), start + cycle_seconds)
        rows.append((_over(at_once, base), _over(late, base), max(0.0, float(under_load.max()) - base)))
    return rows


def _between(t: Floats, y: Floats, start: float, end: float) -> Floats:
    a, b = np.searchsorted(t, [start, end])
    return y[a:b]


def _over(values: Floats, base: float) -> float:
    return float(np.median(values)) - base if values.size else math.nan


def _equivalent(residuals: Floats, margin: float) -> Passed:
    """Whether the mean residual is below the margin, with 95 % confidence in either answer."""
    there = residuals[~np.isnan(residuals)]
    if there.size < 2:
        return "inconclusive"
    half = t_quantile(T.decide_level, float(there.size - 1)) * float(there.std(ddof=1)) / math.sqrt(there.size)
    mean = float(there.mean())
    if mean + half < margin:
        return "pass"
    return "fail" if mean - half > margin else "inconclusive"
