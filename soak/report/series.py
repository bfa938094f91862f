"""The verdict on every stored series, as rows of the report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from soak.analysis import judge, walking_errors
from soak.analysis.floors import as_series, floors_of
from soak.analysis.results import Kind, Verdict
from soak.config.limits import COUNTS
from soak.report.inputs import TOTAL, Floats, RunData
from soak.report.units import rate
from soak_storage.records import SeriesInfo

MEMORY = ("rss", "uss", "pss", "python_heap")
FROM_OUTSIDE = ("rss", "uss", "pss")  # what the tracer's own memory shows up in
_IN_BYTES = (*MEMORY, "tmp_bytes", "malloc", "rss_trimmed")
# Under tracemalloc rss grows by the tracer's tables too; what is subtracted is known to about a factor of two only.
TRACER_DOUBT = 1.0
# The median of pss/rss below which processes share pages to an extent that rss counts twice.
SHARED_BELOW = 0.95
PSS_CYCLES = 0.75  # of the cycles of rss that pss must have to decide in its place


class Floor(NamedTuple):
    """The floor of one cycle: where it lies in time, its value, and whether the verdict rests on it."""

    t: float
    value: float
    used: bool


@dataclass(frozen=True)
class Judged:
    """A series with its samples and what was said about it; `verdict` is None where nothing is judged (cpu, states)."""

    info: SeriesInfo
    times: Floats
    values: Floats
    verdict: Verdict | None
    limit: float | None
    row: dict[str, Any]
    floors: tuple[Floor, ...] = ()

    @property
    def leaks(self) -> bool:
        """Whether this series decides that the target leaks."""
        return bool(self.row["gates"]) and self.row["verdict"] == "leak"


def judge_series(data: RunData) -> list[Judged]:
    """Every series of the run, the deciding ones first, totals before processes."""
    memory = outside_memory(data)
    judged = [_judge_one(data, info, memory) for info in data.infos]
    order = {name: place for place, name in enumerate((*MEMORY, *COUNTS))}
    return sorted(
        judged,
        key=lambda one: (
            not one.row["gates"],
            one.info.process != TOTAL,
            order.get(one.info.name, 99),
            one.info.name,
            one.info.process,
        ),
    )


def outside_memory(data: RunData) -> str:
    """The series that stands for the target's memory: pss where processes share pages, else rss.

    pss is dear to read and read seldom: where that left too few cycles to compare, rss has to do, which grows at least
    as fast.
    """
    rss, pss = data.info("rss"), data.info("pss")
    processes = sum(info.name == "rss" and info.process != TOTAL for info in data.infos)
    if rss is None or pss is None or processes < 2:
        return "rss"
    whole, shared = _median(data.samples(rss)[1]), _median(data.samples(pss)[1])
    if not 0 < shared < SHARED_BELOW * whole:
        return "rss"
    return "pss" if _usable(data, pss) >= PSS_CYCLES * _usable(data, rss) else "rss"


def _usable(data: RunData, info: SeriesInfo) -> int:
    t, y, e = as_series(*data.samples(info))
    return len(floors_of(t, y, e, data.cycle_seconds, data.trough, data.restarts).usable())


def limit_of(data: RunData, name: str) -> float | None:
    """The growth limit per hour of a series (kinds and states have their total's); None where it has none."""
    base = name.partition(".")[0]
    if base not in COUNTS and base not in _IN_BYTES:
        return None
    return data.limits.growth_of(base).per_hour(data.cycle_seconds, data.requests_per_hour)


def _judge_one(data: RunData, info: SeriesInfo, memory: str) -> Judged:
    times, values = data.samples(info)
    limit = limit_of(data, info.name)
    warnings: list[str] = []
    if info.process == TOTAL and info.name in FROM_OUTSIDE:
        values = without_agent(data, times, values)
    if limit is None:
        return Judged(info, times, values, None, None, _row(data, info, values, None, None, ["no_limit"]))
    if _refused(data, info, values):  # more cycles would not decide it, so it decides nothing
        return Judged(info, times, values, None, limit, _row(data, info, values, None, limit, ["refused"]))
    tracer = tracer_growth(data) if info.name in FROM_OUTSIDE and info.process == TOTAL else 0.0
    kind: Kind = "bytes" if info.unit == "bytes" else "count"
    verdict = judge(
        times,
        values,
        data.cycle_seconds,
        limit + TRACER_DOUBT * tracer,
        kind=kind,
        quantum=_quantum(info),
        trough=data.trough,
        restarts=data.restarts,
        errors=heap_errors(data, times) if info.name == "python_heap" and info.process == TOTAL else None,
    )
    floors = _floors(data, times, values, verdict.cycles_used)
    row = _row(data, info, values, verdict, limit, warnings)
    row["floor"] = next((floor.value for floor in floors if floor.used), row["floor"])
    row["gates"] = info.process == TOTAL and info.name in (memory, "python_heap", *COUNTS)
    if row["gates"] and info.name == memory and verdict.verdict != "leak" and _heap_decides(data):
        row["gates"] = False
        row["warnings"].append("tracer_inflates")
    return Judged(info, times, values, verdict, limit, row, floors)


def heap_errors(data: RunData, times: Floats) -> Floats | None:
    """The error of the traced bytes where they are sampled: the sites' own, and as much for what is in no site."""
    if data.agent_mode != "sampler" or not times.size:
        return None
    rows: dict[int, list[float]] = {}
    for point in (point for site in data.sites for point in site.points):
        entry = rows.setdefault(point.cycle, [point.t, 0.0, 0.0])
        entry[1] += (point.error or 0.0) ** 2
        entry[2] += point.bytes
    traced: dict[int, float] = {}
    for reading in data.judged_readings:
        traced[reading.cycle] = traced.get(reading.cycle, 0.0) + (reading.traced_bytes or 0.0)
    known = [
        (t, v * max(1.0, traced.get(cycle, 0.0) / size)) for cycle, (t, v, size) in sorted(rows.items()) if size > 0
    ]
    if not known:
        return None
    return walking_errors(np.interp(times, *np.array(known).T))


def _refused(data: RunData, info: SeriesInfo, values: Floats) -> bool:
    """Whether not one value could be had for lack of rights."""
    names = {name for event in data.of_kind("refused") for name in event.detail.get("series", [])}
    return info.name in names and not np.isfinite(values).any()


def _floors(data: RunData, times: Floats, values: Floats, count: int) -> tuple[Floor, ...]:
    """The floor of every cycle; the last `count` usable ones are what the verdict rests on."""
    t, y, e = as_series(times, values)
    found = floors_of(t, y, e, data.cycle_seconds, data.trough, data.restarts)
    usable = found.usable()
    firsts = {segment_of(data, f.cycle * data.cycle_seconds): f.cycle for f in reversed(usable)}.values()
    later = [f for f in usable if f.cycle not in firsts]
    used = {f.cycle for f in (usable if len(later) < count else later)[-count:]} if count else set()
    phase = data.trough if found.sparse else 0.5
    return tuple(Floor((f.cycle + phase) * data.cycle_seconds, f.value, f.cycle in used) for f in found.cycles)


def segment_of(data: RunData, t: float) -> int:
    """Number of the restarts before `t`."""
    return sum(restart <= t for restart in data.restarts)


def without_agent(data: RunData, times: Floats, values: Floats) -> Floats:
    """`values` less what the agent and its tracer held at the time."""
    at, held = data.agent_bytes
    return values - np.interp(times, at, held) if at.size else values


def tracer_growth(data: RunData) -> float:
    """Growth of tracemalloc's own tables in bytes per hour, 0 in any other mode."""
    at, held = data.agent_bytes
    if data.agent_mode != "tracemalloc" or at.size < 2:
        return 0.0
    return max(0.0, float(np.polyfit(at, held, 1)[0]) * 3600.0)


def _heap_decides(data: RunData) -> bool:
    """While tracemalloc inflates what is seen from outside, python_heap decides."""
    return data.agent_mode == "tracemalloc" and data.info("python_heap") is not None


def _quantum(info: SeriesInfo) -> float | None:
    """The smallest step: traced bytes and counts move by one, pages by 4,096 bytes."""
    if info.unit != "bytes":
        return 1.0
    return 1.0 if info.name == "python_heap" else 4096.0


def _row(
    data: RunData,
    info: SeriesInfo,
    values: Floats,
    verdict: Verdict | None,
    limit: float | None,
    warnings: list[str],
) -> dict[str, Any]:
    known = verdict if verdict is not None and verdict.known else None
    growth = known.growth_per_hour if known else None
    per_hour = data.requests_per_hour
    there = values[~np.isnan(values)]
    return {
        "name": info.name,
        "unit": info.unit,
        "process": info.process,
        "gates": False,
        "samples": int(there.size),
        "floor": float(np.quantile(there, 0.1)) if there.size else None,
        "peak": float(there.max()) if there.size else None,
        "growth_per_hour": growth,
        "growth_per_cycle": growth * data.cycle_seconds / 3600.0 if growth is not None else None,
        "growth_per_request": growth / per_hour if growth is not None and per_hour else None,
        "ci95": list(known.ci95) if known else None,
        "limit_per_hour": limit,
        "limit": _written_limit(data, info),
        "verdict": verdict.verdict if verdict else "inconclusive",
        "detectable_per_hour": known.detectable_per_hour if known else None,
        "cycles_used": verdict.cycles_used if verdict else 0,
        "cycles_needed": verdict.cycles_needed if verdict else None,
        "warnings": [*(verdict.warnings if verdict else ()), *warnings],
    }


def _written_limit(data: RunData, info: SeriesInfo) -> str | None:
    """The limit as it was written, `1 MB/cycle`, or None."""
    base = info.name.partition(".")[0]
    if limit_of(data, base) is None:
        return None
    limit = data.limits.growth_of(base)
    return rate(limit.value, info.unit, limit.per).lstrip("+")


def _median(values: Floats) -> float:
    there = values[~np.isnan(values)]
    return float(np.median(there)) if there.size else 0.0
