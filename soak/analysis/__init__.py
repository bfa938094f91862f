"""Numbers in, verdict out: pure functions over numpy arrays, no clock, no input or output, nothing of ours imported.

What is offered (each function's docstring has units, shapes and errors):

judge(times, values, cycle_seconds, limit_per_hour, kind="bytes", quantum=None, trough=0.85, restarts=(), *,
      errors=None) -> Verdict
    The growth of one series. A series read once per cycle is normal. `errors`: standard error of each point
    (sampled heaps), same length as values.
judge_peak(times, values, cycle_seconds, limit, relative, trough=0.85, restarts=()) -> PeakResult
    `relative`: limit is over the floor of the first usable cycles, beyond the amplitude seen there.
judge_sites(series, cycle_seconds, total_growth_per_hour, restarts=(), *, births=None)
      -> list[SiteResult], most guilty first
    series: {key: (times, values, errors | None)}, one point per cycle; a site absent from a reading that was
    taken is 0, not missing. births: {key: [{birth cycle: bytes still alive}, one per reading]}.
judge_cleanup(times, values, cycle_seconds, trough, grace_seconds, quantum=1.0, restarts=(), *, kind=None)
      -> CleanupResult
cycles_to_decide(limit_per_hour, cycle_seconds, noise, kind="bytes") -> int | None     None: hopeless (over 48 cycles)
memory_statement(rss, uss, traced, allocator, pss=None) -> str | None                  of Verdict | None each
judge_ceiling(times, values, ceiling) -> CeilingResult;  hours_to(level, ceiling, ci95) -> (low, high) | None
stop_early(verdicts) -> bool        verdicts: one per look, verdicts[i] = what was said after cycle i + 1
missing_samples(times, values, cycle_seconds, cycles, interval_seconds), load_not_landed(due, landed),
outages([(t0, t1 | None)], run_seconds), generator_limited(limited, windows), target_restarted(restarts, planned=0)
      -> Evidence | None each;  weigh(verdict, [Evidence]) -> Verdict
walking_errors(variance) -> errors      of readings that rest on samples, for `judge` and `judge_sites`
FloorKeeper(cycle_seconds, trough=0.85): .add(times, values), .judge(limit_per_hour, kind, quantum, restarts) -> Verdict
    Floors kept incrementally, a few numbers per finished cycle.
"""

from soak.analysis.cleanup import judge_cleanup
from soak.analysis.evidence import (
    generator_limited,
    load_not_landed,
    missing_samples,
    outages,
    target_restarted,
    weigh,
)
from soak.analysis.judge import judge
from soak.analysis.keeper import FloorKeeper
from soak.analysis.memory import memory_statement
from soak.analysis.peaks import hours_to, judge_ceiling, judge_peak
from soak.analysis.planning import cycles_to_decide, stop_early
from soak.analysis.results import CeilingResult, CleanupResult, Evidence, PeakResult, SiteResult, Verdict
from soak.analysis.sampling import walking_errors
from soak.analysis.sites import judge_sites

__all__ = [
    "CeilingResult",
    "CleanupResult",
    "Evidence",
    "FloorKeeper",
    "PeakResult",
    "SiteResult",
    "Verdict",
    "cycles_to_decide",
    "generator_limited",
    "hours_to",
    "judge",
    "judge_ceiling",
    "judge_cleanup",
    "judge_peak",
    "judge_sites",
    "load_not_landed",
    "memory_statement",
    "missing_samples",
    "outages",
    "stop_early",
    "target_restarted",
    "walking_errors",
    "weigh",
]
