"""Turns records into rows, inside a transaction that somebody else began; redacts them on the way in."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from soak_storage import records, tables
from soak_storage.intern import Interner
from soak_storage.records import Record
from soak_storage.redact import Redactor, plain
from soak_storage.sql import insert_ignore, inserted_id, upsert

_SAMPLE_COLUMNS = "INSERT INTO samples (series_id, ms, value, cost_us) VALUES "
_SAMPLE_AGAIN = " ON CONFLICT (series_id, ms) DO UPDATE SET value = excluded.value, cost_us = excluded.cost_us"
SAMPLE_SQL = {
    "sqlite": f"{_SAMPLE_COLUMNS}(?, ?, ?, ?){_SAMPLE_AGAIN}",
    "postgresql": f"{_SAMPLE_COLUMNS}(%s, %s, %s, %s){_SAMPLE_AGAIN}",
}
FEW = 4  # rows
PARTS = (tables.reading_sites, tables.reading_births, tables.reading_types, tables.reading_handles)


def ms(t: float) -> int:
    """Seconds of a run as the store counts them."""
    return round(t * 1000)


def number(value: float | None) -> float | None:
    """A finite float, or None: what cannot be told is a gap."""
    return None if value is None or not math.isfinite(value) else float(value)


class Writer:
    """Writes records of one run within one transaction."""

    def __init__(self, connection: sa.Connection, run_id: int, interner: Interner, redactor: Redactor) -> None:
        self._connection = connection
        self._run = run_id
        self._interner = interner
        self._redactor = redactor

    def write(self, batch: Iterable[Record]) -> None:
        """Write `batch`, each kind in the order it came in."""
        by_kind: dict[type, list[Any]] = defaultdict(list)
        for record in batch:
            by_kind[type(record)].append(record)
        for kind, rows in by_kind.items():
            WRITERS[kind](self, rows)

    def samples(self, rows: Sequence[records.SampleRow]) -> None:
        """The hot path: interned series, plain tuples, the driver's executemany."""
        series = self._interner.series
        values = [
            (
                series(self._connection, self._run, row.name, row.process, row.unit, row.gates),
                ms(row.t),
                number(row.value),
                None if row.cost_us is None else math.ceil(row.cost_us),
            )
            for row in rows
        ]
        self._connection.exec_driver_sql(SAMPLE_SQL[self._connection.dialect.name], values)

    def events(self, rows: Sequence[records.EventRow]) -> None:
        """With a key: replaced; without: one more."""
        values = [
            {
                "run_id": self._run,
                "ms0": ms(row.t0),
                "ms1": None if row.t1 is None else ms(row.t1),
                "kind": row.kind,
                "key": row.key,
                "detail": self._redactor.mapping(row.detail),
            }
            for row in rows
        ]
        self._few_or_many(upsert(self._connection, tables.events, ("run_id", "kind", "key")), values)

    def load_windows(self, rows: Sequence[records.LoadWindowRow]) -> None:
        """Counts per window."""
        values = [
            {"ms0": ms(row.t0), "ms1": ms(row.t1), **self._fields(row, ("cycle", "phase", "scenario", *COUNTS))}
            for row in rows
        ]
        self._upsert(tables.load_windows, ("run_id", "scenario", "ms0"), values)

    def load_cycles(self, rows: Sequence[records.LoadCycleRow]) -> None:
        """Counts and histograms per cycle."""
        values = [
            {
                **self._fields(row, ("cycle", "scenario", *COUNTS, "lateness", "service", "response")),
                "errors": self._redactor.mapping(row.errors, by_name=False),
                "checks": self._redactor.mapping(row.checks, by_name=False),
                "detail": self._redactor.mapping(row.detail, by_name=False),
            }
            for row in rows
        ]
        self._upsert(tables.load_cycles, ("run_id", "cycle", "scenario"), values)

    def cycles(self, rows: Sequence[records.CycleRow]) -> None:
        """Where cycles begin and end."""
        values = [
            {"ms0": ms(row.t0), "ms1": ms(row.t1), **self._fields(row, ("number", "complete", "segment"))}
            for row in rows
        ]
        self._upsert(tables.cycles, ("run_id", "number"), values)

    def segments(self, rows: Sequence[records.SegmentRow]) -> None:
        """From when on values are not compared with earlier ones."""
        values = [
            {"ms": ms(row.t), "why": self._redactor.text(row.why), **self._fields(row, ("number", "agent_mode"))}
            for row in rows
        ]
        self._upsert(tables.segments, ("run_id", "number"), values)

    def processes(self, rows: Sequence[records.ProcessRow]) -> None:
        """The target's processes."""
        values = [
            {
                **self._fields(row, ("pid", "start_time", "role", "segment")),
                "first_ms": ms(row.first_t),
                "last_ms": ms(row.last_t),
                "name": plain(row.name),
                "cmdline": self._redactor.command(row.cmdline),
            }
            for row in rows
        ]
        self._upsert(tables.processes, ("run_id", "pid", "start_time"), values)

    def owned(self, rows: Sequence[records.OwnedRow]) -> None:
        """What soak started and has not ended yet."""
        table = tables.owned_processes
        for row in rows:
            values = {"pid": row.pid, "start_time": row.start_time, "what": self._redactor.text(row.what)}
            if row.gone:
                found = (table.c.pid == row.pid) & (table.c.start_time == row.start_time)
                self._connection.execute(sa.delete(table).where(table.c.run_id == self._run, found))
            else:
                self._upsert(table, ("run_id", "pid", "start_time"), [values])

    def analyses(self, rows: Sequence[records.AnalysisRow]) -> None:
        """The last one only; its verdict goes to the run."""
        row = rows[-1]
        values = {"cycle": row.cycle, "ms": ms(row.t), "result": self._redactor.derived(row.result)}
        self._upsert(tables.analyses, ("run_id",), [values])
        verdict = {name: row.result[name] for name in ("verdict", "exit_code") if name in row.result}
        if verdict:
            self._connection.execute(sa.update(tables.runs).where(tables.runs.c.id == self._run).values(**verdict))

    def readings(self, rows: Sequence[records.ReadingRow]) -> None:
        """Each with its sites, types and handles; one written again replaces all of them."""
        for row in rows:
            self._forget_reading(row)
            values = {
                "run_id": self._run,
                "ms": ms(row.t),
                "warnings": [self._redactor.text(line) for line in row.warnings],
                "detail": self._redactor.mapping(row.detail),
                **{name: number(getattr(row, name)) for name in ("pause_ms", "traced_bytes", "agent_bytes")},
                **self._fields(row, READING),
            }
            reading_id = inserted_id(self._connection, tables.readings, values)
            self._sites(reading_id, row.sites)
            self._types(reading_id, row.types)
            self._handles(reading_id, row.handles)

    def _forget_reading(self, row: records.ReadingRow) -> None:
        table = tables.readings
        same = (table.c.run_id == self._run) & (table.c.process == row.process) & (table.c.ms == ms(row.t))
        found = self._connection.scalar(sa.select(table.c.id).where(same))
        if found is not None:
            for part in PARTS:
                self._connection.execute(sa.delete(part).where(part.c.reading_id == found))
            self._connection.execute(sa.delete(table).where(table.c.id == found))

    def _sites(self, reading_id: int, rows: Sequence[records.SiteRow]) -> None:
        sites: dict[tuple[int, str], dict[str, Any]] = {}
        births: dict[tuple[int, str, int], float] = defaultdict(float)
        for row in rows:
            stack_id = self._interner.stack(self._connection, row.stack)
            key = {"reading_id": reading_id, "stack_id": stack_id, "domain": row.domain}
            site = sites.setdefault(
                (stack_id, row.domain), {**key, "bytes": 0.0, "count": 0.0, "error": None, "partial": False}
            )
            site["bytes"] += row.bytes
            site["count"] += row.count
            site["partial"] |= row.partial
            site["error"] = _together(site["error"], row.error)
            for cycle, size in row.births.items():
                births[stack_id, row.domain, int(cycle)] += size
        self._insert(tables.reading_sites, list(sites.values()))
        names = ("stack_id", "domain", "birth_cycle")
        self._insert(
            tables.reading_births,
            [{"reading_id": reading_id, **dict(zip(names, key, strict=True)), "bytes": b} for key, b in births.items()],
        )

    def _types(self, reading_id: int, rows: Sequence[records.TypeRow]) -> None:
        values = [
            {
                "reading_id": reading_id,
                "type_id": self._interner.type(self._connection, row.type),
                "count": row.count,
                "bytes": row.bytes,
            }
            for row in rows
        ]
        if values:
            self._connection.execute(insert_ignore(self._connection, tables.reading_types), values)

    def _handles(self, reading_id: int, rows: Sequence[records.HandleRow]) -> None:
        values = [
            {
                "reading_id": reading_id,
                "number": position,
                "kind": row.kind,
                "stack_id": self._interner.stack(self._connection, row.stack),
                "count": row.count,
                "detail": self._redactor.text(row.detail),
            }
            for position, row in enumerate(rows)
        ]
        self._insert(tables.reading_handles, values)

    def _insert(self, table: sa.Table, values: list[dict[str, Any]]) -> None:
        if values:
            self._connection.execute(sa.insert(table), values)

    def _upsert(self, table: sa.Table, key: Sequence[str], values: list[dict[str, Any]]) -> None:
        rows = [{"run_id": self._run, **row} for row in values]
        self._few_or_many(upsert(self._connection, table, key), rows)

    def _few_or_many(self, statement: sa.Insert, rows: list[dict[str, Any]]) -> None:
        """Few rows go one by one: that a batch has two of a kind is rare, and SQLAlchemy compiles and keeps another
        statement for it, some tens of KB, hours after the first.
        """
        if len(rows) <= FEW:
            for row in rows:
                self._connection.execute(statement, row)
        else:
            self._connection.execute(statement, rows)

    @staticmethod
    def _fields(row: Any, names: Iterable[str]) -> dict[str, Any]:
        return {name: getattr(row, name) for name in names}


def _together(one: float | None, other: float | None) -> float | None:
    """Standard errors of independent estimates add in quadrature."""
    if one is None or other is None:
        return one if other is None else other
    return math.hypot(one, other)


COUNTS = ("due", "sent", "landed", "failed", "dropped", "limited")
READING = (
    *("process", "cycle", "phase", "segment", "agent_mode"),
    *("frames", "collected", "gc_objects", "tasks", "threads"),
)
WRITERS: dict[type, Callable[[Writer, Sequence[Any]], None]] = {
    records.SampleRow: Writer.samples,
    records.EventRow: Writer.events,
    records.ReadingRow: Writer.readings,
    records.LoadWindowRow: Writer.load_windows,
    records.LoadCycleRow: Writer.load_cycles,
    records.CycleRow: Writer.cycles,
    records.SegmentRow: Writer.segments,
    records.ProcessRow: Writer.processes,
    records.OwnedRow: Writer.owned,
    records.AnalysisRow: Writer.analyses,
}
