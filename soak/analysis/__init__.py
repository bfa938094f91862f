"""Numbers in, verdict out: pure functions over numpy arrays, no clock, no input or output, nothing of ours imported.

What is offered (each function's docstring has units, shapes and errors):

judge(times, values, cycle_seconds, limit_per_hour, kind="bytes", quantum=None, trough=0.85, restarts=(), *,
      errors=None) -> Verdict
    The growth of one series. A series read once per cycle is normal. `errors`: standard error of each point
    (sampled heaps), same length as values.
judge_peak(times, values, cycle_seconds, limit, relative, trough=0.85, restarts=()) -> PeakResult
    `relative`: limit is over the floor of the first usable cycles, beyond the amplitude seen there.
judge_sites(series, cycle_seconds, total_growth_per_hour, restarts=(), *, births=None, kind="bytes")
      -> list[SiteResult], most guilty first
    series: {key: (times, values, errors | None)}, one point per cycle; a site that is absent in a reading that was taken
    is 0, not missing. births: {key: [{birth cycle: bytes still alive}, one per reading]} .
judge_cleanup(times, values, cycle_seconds, trough, grace_seconds, quantum=1.0, restarts=()) -> CleanupResult
cycles_to_decide(limit_per_hour, cycle_seconds, noise, kind="bytes") -> int | None     None: hopeless (over 48 cycles)
memory_statement(rss, uss, traced, allocator, pss=None) -> str | None                  of Verdict | None each
judge_ceiling(times, values, ceiling) -> CeilingResult;  hours_to(level, ceiling, ci95) -> (low, high) | None
stop_early(verdicts) -> bool        verdicts: one per look, verdicts[i] = what was said after cycle i + 1
evidence: missing_samples(...), load_not_landed(...), outages(...), generator_limited(...), target_restarted(...)
      -> Evidence | None;  weigh(verdict, evidence) -> Verdict
FloorKeeper(cycle_seconds, ...).add(times, values)   floors kept incrementally, a few numbers per finished cycle;
      .judge(limit_per_hour, ...) equals judge() over everything added
"""
