"""Everything that is read from the store, as records."""

from __future__ import annotations

import math
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from soak_storage import records, tables
from soak_storage.records import Stack
from soak_storage.service_tables import sample_buckets

_SUMMARY = tuple(tables.runs.c[name] for name in records.RunSummary.__slots__)
_SHOWN = tables.runs.c.status != "deleting"  # the retention is at work on those
_NEWEST = (tables.runs.c.started.desc(), tables.runs.c.id.desc())
_COUNTS = ("cycle", "scenario", "due", "sent", "landed", "failed", "dropped", "limited")


def runs(
    connection: sa.Connection, limit: int | None, name: str | None, status: str | None = None
) -> list[records.RunSummary]:
    """Newest first, without the wide columns."""
    query = sa.select(*_SUMMARY).where(_SHOWN).order_by(*_NEWEST).limit(limit)
    if name is not None:
        query = query.where(tables.runs.c.name == name)
    if status is not None:
        query = query.where(tables.runs.c.status == status)
    return [records.RunSummary(*tuple(row)) for row in connection.execute(query)]


def run(connection: sa.Connection, run_id: int | None) -> records.RunInfo | None:
    """One run; the latest when no id is given."""
    table = tables.runs
    query = sa.select(*_SUMMARY, table.c.config, table.c.target, table.c.error).where(_SHOWN)
    query = query.order_by(*_NEWEST).limit(1) if run_id is None else query.where(table.c.id == run_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else records.RunInfo(**row._mapping)


def series(connection: sa.Connection, run_id: int) -> list[records.SeriesInfo]:
    """Totals first, then by name and process."""
    table = tables.series
    query = sa.select(table.c.id, table.c.name, table.c.unit, table.c.process, table.c.gates)
    query = query.where(table.c.run_id == run_id).order_by(table.c.process != "total", table.c.name, table.c.process)
    return [records.SeriesInfo(*row) for row in connection.execute(query)]


_THINNED = sa.text("SELECT ms + width_ms / 2, mean FROM sample_buckets WHERE series_id = :series ORDER BY ms")
_SAMPLES = sa.text("SELECT ms, value FROM samples WHERE series_id = :series ORDER BY ms")


def samples(connection: sa.Connection, series_id: int) -> tuple[array[float], array[float]]:
    """Times in seconds and values, NaN for a gap, by time; straight from the driver's cursor.

    What was thinned stands as the mean of each bucket at its middle, before the samples that are still there.
    """
    times, values = array("d"), array("d")
    for query in (_THINNED, _SAMPLES):
        with connection.execute(query, {"series": series_id}) as result:
            rows = result.cursor.fetchall()
        times.extend([row[0] / 1000 for row in rows])
        values.extend([math.nan if row[1] is None else row[1] for row in rows])
    return times, values


def buckets(connection: sa.Connection, series_id: int) -> list[records.BucketRow]:
    """The thinned part of a series, by time."""
    table = sample_buckets
    columns = (table.c[name] for name in ("ms", "width_ms", "count", "gaps", "low", "mean", "high"))
    query = sa.select(*columns).where(table.c.series_id == series_id).order_by(table.c.ms)
    rows = connection.execute(query)
    return [records.BucketRow(ms / 1000, (ms + width) / 1000, *rest) for ms, width, *rest in rows]


def thinned(connection: sa.Connection, run_id: int) -> bool:
    """Whether a run has buckets."""
    series = tables.series
    query = sa.select(sample_buckets.c.series_id).join(series, series.c.id == sample_buckets.c.series_id)
    return connection.scalar(query.where(series.c.run_id == run_id).limit(1)) is not None


def cycles(connection: sa.Connection, run_id: int) -> list[records.CycleRow]:
    """In order."""
    return [
        records.CycleRow(row.number, row.ms0 / 1000, row.ms1 / 1000, row.complete, row.segment)
        for row in _of_run(connection, tables.cycles, run_id, "number")
    ]


def segments(connection: sa.Connection, run_id: int) -> list[records.SegmentRow]:
    """In order."""
    return [
        records.SegmentRow(row.number, row.ms / 1000, row.why, row.agent_mode)
        for row in _of_run(connection, tables.segments, run_id, "number")
    ]


def events(connection: sa.Connection, run_id: int) -> list[records.EventRow]:
    """By the time they began."""
    return [
        records.EventRow(row.kind, row.ms0 / 1000, _seconds(row.ms1), row.detail, row.key)
        for row in _of_run(connection, tables.events, run_id, "ms0", "id")
    ]


def processes(connection: sa.Connection, run_id: int) -> list[records.ProcessRow]:
    """By the time they were first seen."""
    return [
        records.ProcessRow(
            pid=row.pid,
            start_time=row.start_time,
            role=row.role,
            first_t=row.first_ms / 1000,
            last_t=row.last_ms / 1000,
            segment=row.segment,
            name=row.name,
            cmdline=tuple(row.cmdline),
        )
        for row in _of_run(connection, tables.processes, run_id, "first_ms", "pid")
    ]


def load_windows(connection: sa.Connection, run_id: int) -> list[records.LoadWindowRow]:
    """By time."""
    return [
        records.LoadWindowRow(t0=row.ms0 / 1000, t1=row.ms1 / 1000, phase=row.phase, **_fields(row, _COUNTS))
        for row in _of_run(connection, tables.load_windows, run_id, "ms0", "scenario")
    ]


def load_cycles(connection: sa.Connection, run_id: int) -> list[records.LoadCycleRow]:
    """By cycle and scenario."""
    return [
        records.LoadCycleRow(
            errors=row.errors,
            checks=row.checks,
            detail=row.detail,
            **_fields(row, (*_COUNTS, "lateness", "service", "response")),
        )
        for row in _of_run(connection, tables.load_cycles, run_id, "cycle", "scenario")
    ]


def readings(connection: sa.Connection, run_id: int) -> list[records.ReadingRow]:
    """By time, without their sites, types and handles."""
    names = (
        *("cycle", "process", "phase", "segment", "agent_mode", "frames", "collected", "pause_ms"),
        *("traced_bytes", "agent_bytes", "gc_objects", "tasks", "threads", "detail"),
    )
    return [
        records.ReadingRow(t=row.ms / 1000, warnings=tuple(row.warnings), **_fields(row, names))
        for row in _of_run(connection, tables.readings, run_id, "ms", "process")
    ]


def sites(connection: sa.Connection, run_id: int) -> list[records.SiteSeries]:
    """Per stack, by time."""
    table = tables.reading_sites
    births = _births(connection, run_id)
    points: dict[tuple[int, str], list[records.SitePoint]] = defaultdict(list)
    partial: set[tuple[int, str]] = set()
    columns = (table.c.stack_id, table.c.domain, table.c.bytes, table.c.count, table.c.error, table.c.partial)
    for reading, where, (stack_id, domain, size, count, error, cut) in _parts(connection, run_id, table, columns):
        key = (stack_id, domain)
        born = births.get((reading, *key), {})
        points[key].append(records.SitePoint(*where, size, count, error, born))
        if cut:
            partial.add(key)
    stacks = _stacks(connection, {stack_id for stack_id, _ in points})
    return [
        records.SiteSeries(key[0], stacks[key[0]], key[1], key in partial, tuple(found))
        for key, found in points.items()
    ]


def _births(connection: sa.Connection, run_id: int) -> Mapping[tuple[int, int, str], dict[int, int]]:
    table, readings_ = tables.reading_births, tables.readings
    query = (
        sa.select(table.c.reading_id, table.c.stack_id, table.c.domain, table.c.birth_cycle, table.c.bytes)
        .join(readings_, readings_.c.id == table.c.reading_id)
        .where(readings_.c.run_id == run_id)
    )
    found: dict[tuple[int, int, str], dict[int, int]] = defaultdict(dict)
    for reading, stack_id, domain, cycle, size in connection.execute(query):
        found[reading, stack_id, domain][cycle] = round(size)
    return found


def types(connection: sa.Connection, run_id: int) -> list[records.TypeSeries]:
    """Per type, by time."""
    table = tables.reading_types
    points: dict[int, list[records.TypePoint]] = defaultdict(list)
    columns = (table.c.type_id, table.c.count, table.c.bytes)
    for _, where, (type_id, count, size) in _parts(connection, run_id, table, columns):
        points[type_id].append(records.TypePoint(*where, count, size))
    names = _by_id(connection, sa.select(tables.types.c.id, tables.types.c.name), tables.types.c.id, points)
    return [records.TypeSeries(names[type_id], tuple(found)) for type_id, found in points.items()]


def handles(connection: sa.Connection, run_id: int) -> list[records.HandleSeries]:
    """Per kind and birth place, by time."""
    table = tables.reading_handles
    points: dict[tuple[str, int], list[records.HandlePoint]] = defaultdict(list)
    columns = (table.c.kind, table.c.stack_id, table.c.count, table.c.detail)
    for _, where, (kind, stack_id, count, detail) in _parts(connection, run_id, table, columns):
        points[kind, stack_id].append(records.HandlePoint(*where, count, detail))
    stacks = _stacks(connection, {stack_id for _, stack_id in points})
    return [
        records.HandleSeries(kind, stack_id, stacks[stack_id], tuple(found))
        for (kind, stack_id), found in points.items()
    ]


def _parts(
    connection: sa.Connection, run_id: int, table: sa.Table, columns: Sequence[sa.Column[Any]]
) -> Iterator[tuple[int, tuple[float, int, int, str], Sequence[Any]]]:
    """(reading id, (t, cycle, segment, process), the row's `columns`) of every reading of a run, by time."""
    reading = tables.readings
    query = (
        sa.select(reading.c.id, reading.c.ms, reading.c.cycle, reading.c.segment, reading.c.process, *columns)
        .join(table, table.c.reading_id == reading.c.id)
        .where(reading.c.run_id == run_id)
        .order_by(reading.c.ms, reading.c.process)
    )
    for reading_id, at, cycle, segment, process, *rest in connection.execute(query):
        yield reading_id, (at / 1000, cycle, segment, process), rest


def _stacks(connection: sa.Connection, wanted: Iterable[int]) -> dict[int, Stack]:
    """Frames of the stacks `wanted`, the innermost last."""
    link, frame = tables.stack_frames, tables.frames
    query = sa.select(link.c.stack_id, link.c.position, frame.c.file, frame.c.line, frame.c.function)
    query = query.join(frame, frame.c.id == link.c.frame_id)
    found: dict[int, list[tuple[int, records.Frame]]] = {stack_id: [] for stack_id in wanted}
    for some in _chunks(list(found)):
        for stack_id, position, file, line, function in connection.execute(query.where(link.c.stack_id.in_(some))):
            found[stack_id].append((position, (file, line, function)))
    return {stack_id: tuple(frame for _, frame in sorted(frames)) for stack_id, frames in found.items()}


def _by_id(connection: sa.Connection, query: Any, column: sa.Column[Any], wanted: Iterable[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for some in _chunks(list(wanted)):
        found.update((row[0], row[1]) for row in connection.execute(query.where(column.in_(some))))
    return found


def _chunks(ids: list[int], size: int = 500) -> Iterator[list[int]]:
    """SQLite takes a bounded number of parameters."""
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


def latest_analysis(connection: sa.Connection, run_id: int) -> dict[str, Any] | None:
    """The computed report that is kept for a run."""
    found: dict[str, Any] | None = connection.scalar(
        sa.select(tables.analyses.c.result).where(tables.analyses.c.run_id == run_id)
    )
    return found


def _of_run(connection: sa.Connection, table: sa.Table, run_id: int, *order: str) -> sa.CursorResult[Any]:
    query = sa.select(table).where(table.c.run_id == run_id).order_by(*(table.c[name] for name in order))
    return connection.execute(query)


def _fields(row: Any, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}


def _seconds(at: int | None) -> float | None:
    return None if at is None else at / 1000
