"""Curves for a screen: thinned inside the database, so that a night of samples never comes into memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from soak_storage import tables
from soak_storage.service_tables import sample_buckets

# Whole numbers divided by whole numbers stay whole in both databases.
_THIN = sa.text(
    "SELECT MIN(ms), MAX(ms), MIN(value), MAX(value) FROM samples"
    " WHERE series_id = :series AND ms >= :begin AND ms < :end GROUP BY (ms - :begin) / :width ORDER BY 1"
)
_THIN_BUCKETS = sa.text(
    "SELECT MIN(ms), MAX(ms + width_ms), MIN(low), MAX(high) FROM sample_buckets"
    " WHERE series_id = :series AND ms >= :begin AND ms < :end GROUP BY (ms - :begin) / :width ORDER BY 1"
)
_LOAD = sa.text(
    "SELECT MIN(ms0), MAX(ms1), SUM(due), SUM(landed), SUM(failed), SUM(dropped) FROM load_windows"
    " WHERE run_id = :run AND ms0 >= :begin AND ms0 < :end GROUP BY (ms0 - :begin) / :width ORDER BY 1"
)
_AFTER = sa.text("SELECT ms, value FROM samples WHERE series_id = :series AND ms > :after ORDER BY ms LIMIT :most")


@dataclass(frozen=True, slots=True)
class Point:
    """Least and greatest value of a stretch of a curve, at its middle `t` (s); both None where it has only gaps."""

    t: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class LoadPoint:
    """What the load did from `t0` to `t1` (s)."""

    t0: float
    t1: float
    due: int
    landed: int
    failed: int
    dropped: int


def curve(connection: sa.Connection, series_id: int, begin: float, end: float, most: int) -> list[Point]:
    """The values of a series from `begin` to `end` (s) as at most `most` points; stretches without a row are left out.

    What the retention thinned already comes first, from its least and greatest values.
    """
    first, last = round(begin * 1000), round(end * 1000)
    width = max(1, -(-(last - first) // most))
    keys = {"series": series_id, "begin": first, "end": last, "width": width}
    rows = [row for query in (_THIN_BUCKETS, _THIN) for row in connection.execute(query, keys)]
    return [Point((t0 + t1) / 2000, low, high) for t0, t1, low, high in rows]


def after(
    connection: sa.Connection, cursors: Mapping[int, float], most: int
) -> dict[int, list[tuple[float, float | None]]]:
    """Per series id the samples later than its cursor (s), at most `most` each; only series that have some."""
    found = {}
    for series_id, cursor in cursors.items():
        keys = {"series": series_id, "after": round(cursor * 1000), "most": most}
        rows = connection.execute(_AFTER, keys).all()
        if rows:
            found[series_id] = [(ms / 1000, value) for ms, value in rows]
    return found


def end(connection: sa.Connection, series_ids: Iterable[int]) -> float:
    """Time of the last sample of these series in seconds, 0 without one; each is one look into the index."""
    table, thinned = tables.samples.c, sample_buckets.c
    latest = 0
    for one in series_ids:
        kept = connection.scalar(sa.select(sa.func.max(table.ms)).where(table.series_id == one))
        folded = connection.scalar(
            sa.select(sa.func.max(thinned.ms + thinned.width_ms)).where(thinned.series_id == one)
        )
        latest = max(latest, kept or 0, folded or 0)
    return latest / 1000


def load_curve(connection: sa.Connection, run_id: int, begin: float, end: float, most: int) -> list[LoadPoint]:
    """Requests of all scenarios from `begin` to `end` (s), summed over at most `most` stretches that have any."""
    first, last = round(begin * 1000), round(end * 1000)
    keys = {"run": run_id, "begin": first, "end": last, "width": max(1000, -(-(last - first) // most))}
    return [LoadPoint(t0 / 1000, t1 / 1000, *counts) for t0, t1, *counts in connection.execute(_LOAD, keys)]


def run_mark(connection: sa.Connection, run_id: int) -> tuple[object, ...] | None:
    """Something that is another whenever a page of the run has to be read again; None when there is no such run.

    Its status and verdict, when its report was computed, and how many cycles, series and segments it has.
    """
    run = tables.runs.c
    counted = (tables.cycles, tables.series, tables.segments)
    counts = [sa.select(sa.func.count()).where(one.c.run_id == run.id).scalar_subquery() for one in counted]
    made = sa.select(tables.analyses.c.ms).where(tables.analyses.c.run_id == run.id).scalar_subquery()
    row = connection.execute(sa.select(run.status, run.verdict, made, *counts).where(run.id == run_id)).one_or_none()
    return None if row is None else tuple(row)
