"""What takes weight from a *clean* verdict: samples that are missing, load that did not arrive, restarts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from soak.analysis.floors import as_series
from soak.analysis.results import Evidence, Verdict
from soak.analysis.thresholds import THRESHOLDS as T


def missing_samples(
    times: object, values: object, cycle_seconds: float, cycles: int, interval_seconds: float
) -> Evidence | None:
    """Samples that were due over `cycles` complete cycles and are gaps or not there at all. None where nothing is."""
    t, _, _ = as_series(times, values)
    expected = cycles * cycle_seconds / interval_seconds if interval_seconds > 0 else 0.0
    if expected < 1.0:
        return None
    slots = np.unique(np.floor(t[t < cycles * cycle_seconds] / interval_seconds))
    share = max(0.0, 1.0 - slots.size / math.floor(expected))
    if share <= T.weak_missing:
        return None
    return _evidence("samples_missing", f"{share:.0%} of the samples are missing", share > T.no_missing)


def load_not_landed(due: float, landed: float) -> Evidence | None:
    """Requests that were due and got no response; a response of any status has landed."""
    if due <= 0 or landed / due >= T.weak_landed:
        return None
    share = landed / due
    return _evidence("load_not_landed", f"only {share:.1%} of the requests that were due landed", share < T.no_landed)


def outages(spans: Sequence[tuple[float, float | None]], run_seconds: float) -> Evidence | None:
    """Times during which the target did not answer; an open end lasts until the end of the run."""
    ordered = sorted((a, run_seconds if b is None else b) for a, b in spans)
    down, reached = 0.0, 0.0
    for a, b in ordered:
        down += max(0.0, min(b, run_seconds) - max(a, reached))
        reached = max(reached, b)
    share = down / run_seconds if run_seconds > 0 else 0.0
    if share <= T.weak_outage:
        return None
    return _evidence(
        "outage", f"the target did not answer for {down:.0f} s ({share:.0%} of the run)", share > T.no_outage
    )


def generator_limited(limited: int, windows: int) -> Evidence | None:
    """Windows in which the load generator, not the target, set the pace."""
    if limited <= 0 or windows <= 0:
        return None
    message = f"the load generator was the limit in {limited} of {windows} windows"
    return _evidence("generator_limited", message, limited / windows > T.no_limited)


def target_restarted(restarts: Sequence[float], planned: int = 0) -> Evidence | None:
    """Restarts of the target; more than were planned (faults, schedules) withdraw, for memory started anew."""
    if not restarts:
        return None
    message = f"the target restarted {len(restarts)} times" if len(restarts) > 1 else "the target restarted once"
    return _evidence("target_restarted", message, len(restarts) > planned)


def _evidence(code: str, message: str, withdraws: bool) -> Evidence:
    return Evidence(code, message, True, withdraws)


def weigh(verdict: Verdict, evidence: Sequence[Evidence]) -> Verdict:
    """The verdict in the light of the evidence: *clean* is withdrawn or said with a warning, *leak* stands."""
    if verdict.verdict != "clean" or not evidence:
        return verdict
    withdrawn = any(e.withdraws for e in evidence)
    warnings = tuple(sorted({*verdict.warnings, *(e.code for e in evidence)}))
    return replace(verdict, verdict="inconclusive" if withdrawn else "clean", warnings=warnings)
