"""The verdict on one series: does it grow by more than the limit?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from soak.analysis.blocks import in_blocks, size_for
from soak.analysis.decision import HOUR, decide
from soak.analysis.floors import CycleFloor, Floors, as_series, floors_of
from soak.analysis.results import Kind, Verdict
from soak.analysis.thresholds import THRESHOLDS as T
from soak.analysis.trimming import Points, trim


def judge(
    times: object,
    values: object,
    cycle_seconds: float,
    limit_per_hour: float,
    kind: Kind = "bytes",
    quantum: float | None = None,
    trough: float = 0.85,
    restarts: Sequence[float] = (),
    *,
    errors: object = None,
) -> Verdict:
    """Judge the growth of one series.

    times: seconds since the run began, ascending, gaps allowed; values: bytes or counts, NaN is a gap;
    limit_per_hour: in units of the value per hour; quantum: smallest step of the series (default 1 for counts and
    1/256 of the limit per cycle for bytes, which is 4096 at 1 MB/h and hour-long cycles); trough: phase at which the
    quiet part of a cycle begins; restarts: times at which the target was restarted; errors: standard error of each
    value, where it was sampled. Raises ValueError where the series, the cycle or the limit is not one.
    """
    check(cycle_seconds, limit_per_hour, trough)
    t, y, e = as_series(times, values, errors)
    floors = floors_of(t, y, e, cycle_seconds, trough, restarts)
    return judge_floors(floors, cycle_seconds, limit_per_hour, kind, quantum, restarts)


def check(cycle_seconds: float, limit_per_hour: float, trough: float) -> None:
    """Raise ValueError for parameters that mean nothing."""
    if not (math.isfinite(cycle_seconds) and cycle_seconds > 0):
        raise ValueError(f"cycle_seconds must be above 0, got {cycle_seconds}")
    if not (math.isfinite(limit_per_hour) and limit_per_hour >= 0):
        raise ValueError(f"limit_per_hour must be 0 or more, got {limit_per_hour}")
    if not 0.0 <= trough < 1.0:
        raise ValueError(f"trough must be a phase from 0 to below 1, got {trough}")


def judge_floors(
    floors: Floors,
    cycle_seconds: float,
    limit_per_hour: float,
    kind: Kind = "bytes",
    quantum: float | None = None,
    restarts: Sequence[float] = (),
) -> Verdict:
    """The same from floors that were kept."""
    if size_for(len(floors.cycles)) > 1:
        return _judge_blocks(floors, cycle_seconds, limit_per_hour, kind, quantum, restarts)
    limit = limit_per_hour * cycle_seconds / HOUR
    step = quantum if quantum is not None else (1.0 if kind == "count" else limit / 256.0)
    warnings = {c.why for c in floors.cycles if c.why in ("gaps", "restarted")}
    points = _points(floors, cycle_seconds, restarts, T.prior_scale * limit, kind)
    if points is None or not points.enough:
        used = 0 if points is None else points.cycles
        return _nothing(floors, used, warnings | {"too_few_cycles"})
    trimmed = trim(points, limit, T.count_step * step if kind == "count" else 0.0)
    level = next(c.value for c in floors.cycles if c.cycle == trimmed.points.cycle[0])
    verdict = replace(decide(points, trimmed, limit, cycle_seconds, kind, step, warnings), level=level)
    return _unwarmed(verdict) if kind == "bytes" and len(floors.usable()) < T.drop_first_from else verdict


def _judge_blocks(
    floors: Floors,
    cycle_seconds: float,
    limit_per_hour: float,
    kind: Kind,
    quantum: float | None,
    restarts: Sequence[float],
) -> Verdict:
    blocks = in_blocks(floors, kind)
    begun = blocks.first * cycle_seconds
    longer = [r - begun for r in restarts]
    verdict = judge_floors(blocks.floors, blocks.size * cycle_seconds, limit_per_hour, kind, quantum, longer)
    needed = None if verdict.cycles_needed is None else verdict.cycles_needed * blocks.size
    return replace(verdict, cycles_used=verdict.cycles_used * blocks.size, cycles_needed=needed)


def _unwarmed(verdict: Verdict) -> Verdict:
    """No leak while the first cycle is still in the line: what grew may be start-up (V8 grows for minutes)."""
    if verdict.verdict != "leak":
        return verdict
    warnings = tuple(sorted({*verdict.warnings, "too_few_cycles"}))
    return replace(verdict, verdict="inconclusive", cycles_needed=1, warnings=warnings)


def _nothing(floors: Floors, used: int, warnings: set[str]) -> Verdict:
    level = floors.usable()[0].value if floors.usable() else math.nan
    needed = max(1, T.least_cycles + 1 - used)
    return Verdict(
        "inconclusive", math.nan, (-math.inf, math.inf), math.inf, used, needed, tuple(sorted(warnings)), level
    )


def _points(floors: Floors, cycle_seconds: float, restarts: Sequence[float], scale: float, kind: Kind) -> Points | None:
    """The floors to fit: each segment without its first cycle, two per cycle where cycles are few.

    A count has one floor per cycle always: an event that two floors see is still one event.
    """
    segments: dict[int, list[CycleFloor]] = {}
    for floor in floors.usable():
        number = sum(1 for r in restarts if r <= floor.cycle * cycle_seconds)
        segments.setdefault(number, []).append(floor)
    kept = [(s, c) for s, members in segments.items() for c in _warmed_up(members, kind)]
    if not kept:
        return None
    halves = kind == "bytes" and not floors.sparse and len(kept) <= T.halves_up_to
    rows = [row for s, c in kept for row in _rows(s, c, halves)]
    t, y, group, cycle = zip(*rows, strict=True)
    error = math.sqrt(sum(c.error**2 for _, c in kept) / len(kept))
    return Points(np.array(t), np.array(y) - y[0], np.array(group), np.array(cycle), error, scale)


def _warmed_up(members: list[CycleFloor], kind: Kind) -> list[CycleFloor]:
    """Without the first cycle, whose floor has the start-up in it; a count has few events and needs every cycle."""
    return members[1:] if kind == "bytes" and len(members) >= T.drop_first_from else members


def _rows(segment: int, c: CycleFloor, halves: bool) -> list[tuple[float, float, int, int]]:
    if not halves:
        return [(c.cycle + 0.5, c.value, 2 * segment, c.cycle)]
    return [(c.cycle + 0.25 + 0.5 * h, c.halves[h], 2 * segment + h, c.cycle) for h in (0, 1)]
