"""Everything that a store can be asked for."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa

from soak.errors import SoakError
from soak_storage import curves, queries, records, tables
from soak_storage import engine as engines
from soak_storage.curves import LoadPoint, Point
from soak_storage.records import RunInfo, RunSummary


class Reader:
    """The reading half of `Store`; each answer is read in one transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give back every connection."""
        self._engine.dispose()

    @property
    def url(self) -> str:
        """Where it is, without the password."""
        return self._engine.url.render_as_string(hide_password=True)

    @property
    def engine(self) -> sa.Engine:
        """For the modules of this package."""
        return self._engine

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """For the modules of this package: one transaction that reads; StoreUnavailable when it cannot."""
        with engines.available(self._engine), self._engine.connect() as connection:
            yield connection

    def runs(self, limit: int | None = None, *, name: str | None = None) -> list[RunSummary]:
        """Runs, newest first."""
        with self.reading() as connection:
            return queries.runs(connection, limit, name)

    def running(self) -> list[RunSummary]:
        """The runs that nobody has closed, newest first."""
        with self.reading() as connection:
            return queries.runs(connection, None, None, status="running")

    def run_ids(self) -> set[int]:
        """Of all runs, also of those that are being deleted."""
        with self.reading() as connection:
            return set(connection.scalars(sa.select(tables.runs.c.id)))

    def run(self, run_id: int | None = None) -> RunInfo:
        """One run, by default the latest; SoakError `no_run` when there is none."""
        with self.reading() as connection:
            found = queries.run(connection, run_id)
        if found is None:
            raise SoakError("no_run", run="the latest: none is stored yet" if run_id is None else run_id, url=self.url)
        return found

    def baseline(self, name: str, label: str = "baseline") -> RunSummary | None:
        """The run that is the baseline `label` of the target `name`."""
        return next((run for run in self.runs(name=name) if run.baseline == label), None)

    def series(self, run_id: int) -> list[records.SeriesInfo]:
        """The series of a run, totals first."""
        with self.reading() as connection:
            return queries.series(connection, run_id)

    def samples(self, series_id: int) -> tuple[array[float], array[float]]:
        """Times (s since the run began) and values of a series, two arrays of doubles; NaN is a gap.

        Old samples may be thinned: there, each value is the mean of a bucket and its time the middle of it.
        """
        with self.reading() as connection:
            return queries.samples(connection, series_id)

    def buckets(self, series_id: int) -> list[records.BucketRow]:
        """The thinned part of a series, with minimum and maximum; empty while all samples are there."""
        with self.reading() as connection:
            return queries.buckets(connection, series_id)

    def thinned(self, run_id: int) -> bool:
        """Whether samples of a run were replaced by buckets: it cannot be judged again as it was."""
        with self.reading() as connection:
            return queries.thinned(connection, run_id)

    def curves(self, series_ids: Sequence[int], *, most: int) -> dict[int, list[Point]]:
        """Per series its whole curve, thinned by the database to at most `most` points on one axis of time."""
        with self.reading() as connection:
            end = curves.end(connection, series_ids) + 0.001
            return {one: curves.curve(connection, one, 0.0, end, most) for one in series_ids}

    def load_curve(self, run_id: int, begin: float, end: float, *, most: int) -> list[LoadPoint]:
        """Requests of all scenarios from `begin` to `end` (s), summed over at most `most` stretches of time."""
        with self.reading() as connection:
            return curves.load_curve(connection, run_id, begin, end, most)

    def samples_after(
        self, cursors: Mapping[int, float], *, most: int = 1000
    ) -> dict[int, list[tuple[float, float | None]]]:
        """Per series id the samples (t, value) later than its cursor, oldest first; only series that have some."""
        with self.reading() as connection:
            return curves.after(connection, cursors, most)

    def last_sample(self, series_ids: Sequence[int]) -> float:
        """Time of the last sample of these series in seconds; 0 without one."""
        with self.reading() as connection:
            return curves.end(connection, series_ids)

    def run_mark(self, run_id: int) -> tuple[object, ...] | None:
        """Another value whenever something of the run but its samples changed; None when there is no such run."""
        with self.reading() as connection:
            return curves.run_mark(connection, run_id)

    def cycles(self, run_id: int) -> list[records.CycleRow]:
        """The cycles of a run, in order."""
        with self.reading() as connection:
            return queries.cycles(connection, run_id)

    def segments(self, run_id: int) -> list[records.SegmentRow]:
        """The segments of a run, in order."""
        with self.reading() as connection:
            return queries.segments(connection, run_id)

    def events(self, run_id: int) -> list[records.EventRow]:
        """The events of a run, by the time they began."""
        with self.reading() as connection:
            return queries.events(connection, run_id)

    def processes(self, run_id: int) -> list[records.ProcessRow]:
        """The target's processes, by the time they were first seen."""
        with self.reading() as connection:
            return queries.processes(connection, run_id)

    def load_windows(self, run_id: int) -> list[records.LoadWindowRow]:
        """Load by window, in order of time."""
        with self.reading() as connection:
            return queries.load_windows(connection, run_id)

    def load_cycles(self, run_id: int) -> list[records.LoadCycleRow]:
        """Load by cycle and scenario, with histograms."""
        with self.reading() as connection:
            return queries.load_cycles(connection, run_id)

    def readings(self, run_id: int) -> list[records.ReadingRow]:
        """The readings of a run by time, WITHOUT their sites, types and handles."""
        with self.reading() as connection:
            return queries.readings(connection, run_id)

    def sites(self, run_id: int) -> list[records.SiteSeries]:
        """Per allocating stack, what each reading said of it."""
        with self.reading() as connection:
            return queries.sites(connection, run_id)

    def types(self, run_id: int) -> list[records.TypeSeries]:
        """Per type of object, what each reading said of it."""
        with self.reading() as connection:
            return queries.types(connection, run_id)

    def handles(self, run_id: int) -> list[records.HandleSeries]:
        """Per kind and birth place of a handle, what each reading said of it."""
        with self.reading() as connection:
            return queries.handles(connection, run_id)

    def latest_analysis(self, run_id: int) -> dict[str, Any] | None:
        """The report.json computed last for this run; None before the first."""
        with self.reading() as connection:
            return queries.latest_analysis(connection, run_id)

    def owned_processes(self, *, host: str | None = None) -> list[tuple[int, records.OwnedRow]]:
        """(run id, process) of everything that soak started and did not report as ended, on `host` or on all."""
        table = tables.owned_processes
        query = sa.select(table.c.run_id, table.c.pid, table.c.start_time, table.c.what).join(tables.runs)
        if host is not None:
            query = query.where(tables.runs.c.host == host)
        with self.reading() as connection:
            return [
                (row.run_id, records.OwnedRow(row.pid, row.start_time, row.what)) for row in connection.execute(query)
            ]
