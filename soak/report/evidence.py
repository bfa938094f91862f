"""What a verdict rests on: missing samples, load that did not land, outages, restarts; each may withdraw *clean*."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from soak.analysis import generator_limited, load_not_landed, missing_samples, outages, target_restarted
from soak.analysis.results import Evidence
from soak.report.inputs import Floats, RunData
from soak_storage.records import EventRow, SeriesInfo

# Below this many finished cycles nothing can be compared with anything.
LEAST_CYCLES = 3
# Of the troughs: with one reading in ten missing the interval is hardly wider, with more a step may hide between two.
MOST_MISSING = 0.1


def gather(data: RunData, load: dict[str, Any]) -> list[Evidence]:
    """Everything that takes weight from a clean verdict of this run."""
    found = [
        _cycles(data),
        _samples(data),
        _readings(data),
        _refused(data),
        load_not_landed(load["due"], load["landed"] + load["faulted"]),
        outages([(event.t0, event.t1) for event in data.of_kind("outage")], run_seconds(data)),
        generator_limited(sum(window.limited for window in data.windows), len(data.windows)),
        target_restarted([segment.t for segment in data.segments if "restart" in segment.why], _planned_restarts(data)),
        _recycled(data),
        _status(data),
    ]
    return [one for one in found if one is not None]


def run_seconds(data: RunData) -> float:
    """Seconds from the first to the last thing known of the run."""
    ends = [cycle.t1 for cycle in data.cycles]
    info = data.info("rss")
    times = data.samples(info)[0] if info else np.empty(0)
    return max([*ends, float(times[-1]) if times.size else 0.0, 1e-9])


def _cycles(data: RunData) -> Evidence | None:
    if data.complete >= LEAST_CYCLES:
        return None
    planned = data.run.cycles_planned
    of_planned = "" if planned == data.complete else f" of {planned or '?'}"
    done = "no cycle" if not data.complete else f"only {data.complete}{of_planned} cycles"
    return Evidence("too_few_cycles", f"{done} ran to the end; {LEAST_CYCLES} are needed at least", True, True)


def _samples(data: RunData) -> Evidence | None:
    info = data.info("rss")
    if info is None:
        return Evidence("samples_missing", "the target was never sampled", True, True) if not data.infos else None
    times, values = _whole(data, info)
    if times.size < 3 or not data.complete:
        return None
    interval = data.config("sample", "interval")
    step = float(interval) if isinstance(interval, int | float) else float(np.median(np.diff(times)))
    return missing_samples(times, values, data.cycle_seconds, data.complete, step)


def _whole(data: RunData, info: SeriesInfo) -> tuple[Floats, Floats]:
    """Samples, with each of those that were thinned back in its bucket: what counts here is how many there were."""
    times, values = data.samples(info)
    buckets = data.buckets(info)
    spread = [np.linspace(one.t0, one.t1, 2 * one.count + 1)[1::2] for one in buckets]
    kept = slice(len(buckets), None)
    before = np.concatenate([*spread, np.empty(0)])
    return np.concatenate([before, times[kept]]), np.concatenate([np.zeros(before.size), values[kept]])


def _readings(data: RunData) -> Evidence | None:
    """Troughs in which the agent gave no reading: what is counted inside the target is judged on the others."""
    gaps = data.of_kind("reading_gap")
    missing = {int(event.t0 // data.cycle_seconds) for event in gaps}
    cycles = max(data.complete, 1)
    if not missing:
        return None
    message = f"the target's agent gave no reading in {len(missing)} of {cycles} troughs{why_silent(gaps)}"
    weakens = len(missing) > MOST_MISSING * cycles
    return Evidence("readings_missing", f"{message}: python_heap, tasks and places rest on the others", weakens, False)


def why_silent(gaps: Iterable[EventRow]) -> str:
    """What the agent, or the connection to it, said for itself, in brackets; nothing where neither did."""
    why = next((str(gap.detail["detail"]) for gap in gaps if gap.detail.get("detail")), "")
    return f" ({why})" if why else ""


def _refused(data: RunData) -> Evidence | None:
    """Series that the kernel shows only to the target's user or with CAP_SYS_PTRACE: nothing is said of them."""
    names = sorted({str(name) for event in data.of_kind("refused") for name in event.detail.get("series", [])})
    if not names:
        return None
    message = f"{', '.join(names)} of the target may not be read by this user and were not judged"
    return Evidence("series_refused", f"{message}: soak as the target's user, or give soak CAP_SYS_PTRACE", True, False)


def _planned_restarts(data: RunData) -> int:
    """Faults that were carried out on the whole target; a worker's end begins no segment."""
    faults = [event.detail for event in data.of_kind("fault")]
    return sum(one["fault"] in ("kill", "restart") and one["process"] == "target" and not one["why"] for one in faults)


def _recycled(data: RunData) -> Evidence | None:
    """Workers that are replaced take what they leaked with them: a slow leak never adds up to the limit."""
    recycled = data.of_kind("recycled")
    if not recycled:
        return None
    lived = float(np.median([float(event.detail.get("lived_s", 0.0)) for event in recycled]))
    times = "once" if len(recycled) == 1 else f"{len(recycled)} times"
    message = f"a worker was replaced {times} (after {lived:.0f} s, typically): what leaks in one ends with it"
    return Evidence("workers_recycled", f"{message}, so growth is partly hidden", True, False)


def _status(data: RunData) -> Evidence | None:
    """An interrupted run is judged on what is there; that it ended early is said, not held against it."""
    if data.run.status != "interrupted":
        return None
    message = f"the run was interrupted after {data.complete} of {data.run.cycles_planned or '?'} cycles"
    return Evidence("interrupted", message, False, False)


def rows(found: list[Evidence]) -> list[dict[str, Any]]:
    """As the report writes them."""
    return [{"code": one.code, "message": one.message, "weakens": one.weakens} for one in found]
