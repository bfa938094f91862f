"""Keeps the store bounded: old runs go, old samples are thinned, in batches too small to delay a sample.

A batch is one short transaction of about BATCH_ROWS rows; between two batches the recorder gets its turn. Thinning
replaces samples by buckets of minimum, mean and maximum. No bucket reaches over the border of a phase, so that a trough
still holds only values of that trough and like phases can be compared as before. A run marked as a baseline and a run
that is still going are never deleted.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from soak_storage import care, tables
from soak_storage.service_tables import sample_buckets
from soak_storage.sql import insert_ignore
from soak_storage.store import Store
from soak_storage.writer import PARTS

RAW_SECONDS = 14 * 86400.0  # two weeks of nights can be judged again from every single sample
BATCH_ROWS = 2000  # deleted or thinned in one transaction: some 10 ms
BUCKETS_PER_QUIET = 4  # enough for the median of a trough to shrug off one odd bucket
BUCKETS_WITHOUT_QUIET = 40  # per cycle, where there is no quiet phase
READINGS = 20  # deleted at once, each with some hundred rows of parts
ALL = 1 << 62  # milliseconds: a run thinned up to there is done
DELETING = "deleting"  # status of a run that is half gone: no list shows it
ABANDONED = 90 * 86400.0  # seconds after which a host that soaked a target no more does not look after its runs either

_OF_RUN = (
    *(tables.segments, tables.processes, tables.owned_processes, tables.cycles),
    *(tables.events, tables.load_cycles, tables.analyses),
)


@dataclass(frozen=True, slots=True)
class Phases:
    """Where the buckets of a run begin and end, in milliseconds since its start."""

    cycle: int
    quiet: int

    @property
    def width(self) -> int:
        """Of a full bucket; the last one of a phase may be narrower."""
        return max(1, self.quiet // BUCKETS_PER_QUIET or self.cycle // BUCKETS_WITHOUT_QUIET)

    def bucket(self, at: int) -> tuple[int, int]:
        """First and past-the-last millisecond of the bucket that `at` falls into."""
        cycle_start, inside = at - at % self.cycle, at % self.cycle
        busy = self.cycle - self.quiet
        phase_start, phase_end = (0, busy) if inside < busy else (busy, self.cycle)
        start = phase_start + (inside - phase_start) // self.width * self.width
        return cycle_start + start, cycle_start + min(start + self.width, phase_end)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose runs are tidied: those of one target, on the host that soaks it.

    Daemons that share a Postgres keep their runs for different times. Where a host has begun no run of the target for
    ABANDONED, as that of a pod which is gone, any other that soaks it takes care of what is left.
    """

    host: str
    name: str

    def runs(self, store: Store, since: float) -> tuple[sa.ColumnElement[bool], ...]:
        """What a run has to be; a host that began one of the target `since` a wall time looks after its own."""
        table = tables.runs
        mine = table.c.name == self.name
        if store.engine.dialect.name == "sqlite":  # a file is one machine's, whatever that is called at the time
            return (mine,)
        others = table.alias()
        active = sa.select(others.c.host).where(others.c.name == self.name, others.c.started >= since)
        return mine, sa.or_(table.c.host == self.host, table.c.host.not_in(active))


class Retention:
    """Does one small batch of what is due with each `step`; ask again while it says that there was something."""

    def __init__(
        self,
        store: Store,
        *,
        retain: float,
        raw: float = RAW_SECONDS,
        rows: int = BATCH_ROWS,
        owner: Owner | None = None,
        deleted: Callable[[int], None] = lambda _run: None,
    ) -> None:
        """Delete runs that ended more than `retain` seconds ago, thin samples older than `raw` seconds.

        Only those of `owner` are deleted, when there is one. `deleted` is told of each run that is gone: for what is
        kept of it outside the store.
        """
        self._owner = owner
        self._deleted = deleted
        self._store = store
        self._retain = retain
        self._raw = raw
        self._rows = rows
        self._sweep = True  # look for frames and types that no run needs any more
        self._steps: tuple[Callable[[float], bool], ...] = (self._mark, self._delete, self._thin, self._orphans)

    def step(self, now: float) -> bool:
        """One batch, as of wall time `now`; False when nothing was due. Finally free pages go back to the disk."""
        if any(step(now) for step in self._steps):
            return True
        return care.give_back(self._store.engine, self._rows // 20)

    def run(self, now: float, seconds: float = math.inf) -> None:
        """Everything that is due, batch by batch, for about so many `seconds` at most."""
        until = time.monotonic() + seconds
        while self.step(now) and time.monotonic() < until:
            pass

    def finish(self) -> None:
        """Delete what is marked for it, however old, and give back the room; thin nothing."""
        while self._delete(0.0) or self._orphans(0.0) or care.give_back(self._store.engine, self._rows // 20):
            pass

    # ----------------------------------------------------------------------------------------------------- deleting

    def _mark(self, now: float) -> bool:
        due = due_runs(self._store, now - self._retain, *self._owned(now))
        return bool(mark_for_deletion(self._store, due))

    def _owned(self, now: float) -> tuple[sa.ColumnElement[bool], ...]:
        return () if self._owner is None else self._owner.runs(self._store, now - max(self._retain, ABANDONED))

    def _delete(self, now: float) -> bool:
        marked = sa.select(tables.runs.c.id).where(tables.runs.c.status == DELETING, *self._owned(now))
        with self._store.writing() as connection:
            found = connection.scalar(marked.limit(1))
            if found is None:
                return False
            left = delete_some(connection, found, self._rows)
            self._sweep = not left or self._sweep
        if not left:
            self._deleted(found)
        return True

    def _orphans(self, _now: float) -> bool:
        if not self._sweep:
            return False
        try:
            with self._store.writing() as connection:
                self._sweep = any(_sweep(connection, table, users, self._rows) for table, users in _INTERNED)
        except sa.exc.IntegrityError:  # Postgres: somebody began to use one of them just now
            return True
        return self._sweep

    # ----------------------------------------------------------------------------------------------------- thinning

    def _thin(self, now: float) -> bool:
        run = self._next_to_thin(now)
        if run is None:
            return False
        phases = Phases(round(run.cycle_seconds * 1000), round(run.quiet_seconds * 1000))
        until = self._thin_until(run, now)
        with self._store.writing() as connection:
            series_id = _series_with_samples(connection, run.id, until)
            if series_id is None:
                connection.execute(sa.update(tables.runs).where(tables.runs.c.id == run.id).values(thinned_ms=until))
            else:
                thin_some(connection, series_id, phases, until, self._rows)
        return True

    def _next_to_thin(self, now: float) -> Any:
        table = tables.runs
        columns = (table.c[name] for name in ("id", "started", "ended", "cycle_seconds", "quiet_seconds", "thinned_ms"))
        query = sa.select(*columns).where(table.c.thinned_ms < ALL, table.c.started < now - self._raw)
        with self._store.reading() as connection:
            runs = connection.execute(query.where(table.c.status != DELETING).order_by(table.c.started)).all()
        return next((run for run in runs if run.thinned_ms < self._thin_until(run, now)), None)

    def _thin_until(self, run: Any, now: float) -> int:
        """A run that ended is thinned whole; one that goes on by whole cycles, so that no bucket is made twice."""
        oldest = now - self._raw
        if run.ended is not None:
            return ALL if run.ended < oldest else 0
        cycle = round(run.cycle_seconds * 1000)
        until: int = int((oldest - run.started) * 1000) // cycle * cycle
        return until


def due_runs(store: Store, ended_before: float, *where: sa.ColumnElement[bool]) -> list[int]:
    """Runs that ended before a wall time and are nobody's baseline; `where` narrows them down."""
    table = tables.runs
    query = sa.select(table.c.id).where(table.c.ended < ended_before, table.c.baseline.is_(None), *where)
    with store.reading() as connection:
        return list(connection.scalars(query.where(table.c.status.not_in(("running", DELETING)))))


def mark_for_deletion(store: Store, run_ids: list[int]) -> int:
    """Take runs out of every list at once; `Retention.step` deletes them piece by piece. How many there were."""
    if not run_ids:
        return 0
    table = tables.runs
    gone = sa.update(table).where(table.c.id.in_(run_ids), table.c.status != "running").values(status=DELETING)
    with store.writing() as connection:
        return int(connection.execute(gone).rowcount)


def delete_some(connection: sa.Connection, run_id: int, rows: int) -> bool:
    """About `rows` rows of a run; False once nothing of it is left."""
    series = tables.series
    series_id = connection.scalar(sa.select(series.c.id).where(series.c.run_id == run_id).limit(1))
    if series_id is not None:
        _delete_series(connection, series_id, rows)
        return True
    readings = tables.readings
    some = list(connection.scalars(sa.select(readings.c.id).where(readings.c.run_id == run_id).limit(READINGS)))
    if some:
        for part in PARTS:
            connection.execute(sa.delete(part).where(part.c.reading_id.in_(some)))
        connection.execute(sa.delete(readings).where(readings.c.id.in_(some)))
        return True
    windows = tables.load_windows
    if _delete_first(connection, windows, windows.c.run_id == run_id, windows.c.ms0, rows):
        return True
    for table in _OF_RUN:
        connection.execute(sa.delete(table).where(table.c.run_id == run_id))
    connection.execute(sa.delete(tables.runs).where(tables.runs.c.id == run_id))
    return False


def _delete_series(connection: sa.Connection, series_id: int, rows: int) -> None:
    for table in (tables.samples, sample_buckets):
        if _delete_first(connection, table, table.c.series_id == series_id, table.c.ms, rows):
            return
    connection.execute(sa.delete(tables.series).where(tables.series.c.id == series_id))


def _delete_first(
    connection: sa.Connection, table: sa.Table, where: sa.ColumnElement[bool], order: sa.Column[int], rows: int
) -> bool:
    """The first `rows` rows in `order` (all with the same value together); False when there were none."""
    beyond = connection.scalar(sa.select(order).where(where).order_by(order).limit(1).offset(rows))
    statement = sa.delete(table).where(where)
    deleted = connection.execute(statement if beyond is None else statement.where(order <= beyond))
    return deleted.rowcount > 0


def _series_with_samples(connection: sa.Connection, run_id: int, until: int) -> int | None:
    series, samples = tables.series, tables.samples
    some = sa.exists().where(samples.c.series_id == series.c.id, samples.c.ms < until)
    found: int | None = connection.scalar(sa.select(series.c.id).where(series.c.run_id == run_id, some).limit(1))
    return found


def thin_some(connection: sa.Connection, series_id: int, phases: Phases, until: int, rows: int) -> None:
    """Replace about `rows` samples of a series, and none from `until` on, by buckets."""
    table = tables.samples
    mine = table.c.series_id == series_id
    next_ms = sa.select(table.c.ms).where(mine, table.c.ms < until).order_by(table.c.ms).limit(1).offset(rows)
    beyond = connection.scalar(next_ms)
    if beyond is not None:
        until = phases.bucket(beyond)[1]  # the bucket that the batch would cut in two is taken whole
    taken = (mine, table.c.ms < until)
    buckets = _buckets(connection.execute(sa.select(table.c.ms, table.c.value).where(*taken)).all(), phases)
    if buckets:
        values = [{"series_id": series_id, **bucket} for bucket in buckets]
        connection.execute(insert_ignore(connection, sample_buckets), values)
    connection.execute(sa.delete(table).where(*taken))


def _buckets(samples: Sequence[Any], phases: Phases) -> list[dict[str, Any]]:
    values: dict[tuple[int, int], list[float | None]] = defaultdict(list)
    for at, value in samples:
        values[phases.bucket(at)].append(value)
    return [_bucket(start, end, found) for (start, end), found in values.items()]


def _bucket(start: int, end: int, found: list[float | None]) -> dict[str, Any]:
    """A bucket of gaps only has no values: a gap stays a gap."""
    told = [value for value in found if value is not None]
    return {
        "ms": start,
        "width_ms": end - start,
        "count": len(told),
        "gaps": len(found) - len(told),
        "low": min(told, default=None),
        "mean": math.fsum(told) / len(told) if told else None,
        "high": max(told, default=None),
    }


_INTERNED: tuple[tuple[sa.Table, tuple[sa.Column[Any], ...]], ...] = (
    (
        tables.stacks,
        (tables.reading_sites.c.stack_id, tables.reading_births.c.stack_id, tables.reading_handles.c.stack_id),
    ),
    (tables.frames, (tables.stack_frames.c.frame_id,)),
    (tables.types, (tables.reading_types.c.type_id,)),
)


def _sweep(connection: sa.Connection, table: sa.Table, users: tuple[sa.Column[Any], ...], rows: int) -> bool:
    """Delete up to `rows` rows of `table` that none of the `users` refers to; False when there were none."""
    unused = [~sa.exists().where(user == table.c.id) for user in users]
    found = list(connection.scalars(sa.select(table.c.id).where(*unused).limit(min(rows, 500))))
    if not found:
        return False
    if table is tables.stacks:
        connection.execute(sa.delete(tables.stack_frames).where(tables.stack_frames.c.stack_id.in_(found)))
    connection.execute(sa.delete(table).where(table.c.id.in_(found)))
    return True
