"""The store as files that anything can read: CSV or JSON lines, one file per table, and the reports as they are.

Rows come from the same queries as the reports and stream run by run, a series at a time, so that a year of nights does
not have to fit into memory. Times `t` are seconds since the run began; runs say when that was.
"""

from __future__ import annotations

import base64
import csv
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, Any

from soak.errors import UsageError
from soak_storage import records
from soak_storage.records import RunInfo, Stack
from soak_storage.store import Store
from soak_storage.tables import clean

FORMATS = ("csv", "jsonl")
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Exported:
    """One table: its columns, and the rows that one run has in it."""

    columns: tuple[str, ...]
    rows: Callable[[Store, int], Iterator[Row]]


def export(store: Store, folder: Path, form: str, run_ids: Sequence[int] | None = None) -> dict[str, int]:
    """Write every table as `folder/<table>.<form>`, readable by the user only; how many rows each has.

    Runs are all of them or `run_ids`. UsageError when a file is there already: nothing is overwritten.
    """
    runs = [store.run(run_id) for run_id in run_ids] if run_ids else _all(store)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    counts = {name: _table(store, runs, folder / f"{name}.{form}", form, table) for name, table in TABLES.items()}
    counts["reports"] = sum(_report(store, run.id, folder / f"report-{run.id}.json") for run in runs)
    return counts


def _all(store: Store) -> list[RunInfo]:
    return [store.run(run.id) for run in reversed(store.runs())]


def _table(store: Store, runs: Sequence[RunInfo], path: Path, form: str, table: Exported) -> int:
    columns = ("run", *table.columns)
    count = 0
    with _create(path) as file:
        write = _writer(file, form, columns)
        for run in runs:
            for row in table.rows(store, run.id):
                write({"run": run.id, **row})
                count += 1
    return count


def _report(store: Store, run_id: int, path: Path) -> bool:
    report = store.latest_analysis(run_id)
    if report is not None:
        with _create(path) as file:
            json.dump(report, file, indent=2, ensure_ascii=False)
            file.write("\n")
    return report is not None


def _create(path: Path) -> IO[str]:
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        raise UsageError("export_exists", path=path) from error
    return open(descriptor, "w", encoding="utf-8", newline="")  # noqa: PTH123 a descriptor, not a path


def _writer(file: IO[str], form: str, columns: Sequence[str]) -> Callable[[Row], object]:
    if form == "jsonl":
        return lambda row: file.write(json.dumps(clean(row), ensure_ascii=False, separators=(",", ":")) + "\n")
    table = csv.DictWriter(file, columns)
    table.writeheader()
    return lambda row: table.writerow({name: _cell(value) for name, value in row.items()})


def _cell(value: Any) -> Any:
    """A value in CSV: nested ones as JSON, nothing for a gap."""
    value = clean(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value


def _plain(row: Any, columns: Sequence[str]) -> Row:
    """A record as a row; histograms as base64."""
    values = ((name, getattr(row, name)) for name in columns)
    return {name: base64.b64encode(value).decode() if isinstance(value, bytes) else value for name, value in values}


def _records(kind: type, read: Callable[[Store, int], Sequence[Any]], *without: str) -> Exported:
    columns = tuple(field.name for field in fields(kind) if field.name not in without)
    return Exported(columns, lambda store, run_id: (_plain(row, columns) for row in read(store, run_id)))


def _runs(store: Store, run_id: int) -> Iterator[Row]:
    run = asdict(store.run(run_id))
    del run["id"]  # it is the column `run` of every table
    yield run


def _samples(store: Store, run_id: int) -> Iterator[Row]:
    for series in store.series(run_id):
        head = {"series": series.name, "process": series.process, "unit": series.unit}
        for t, value in zip(*store.samples(series.id), strict=True):
            yield {**head, "t": t, "value": value}


def _buckets(store: Store, run_id: int) -> Iterator[Row]:
    for series in store.series(run_id):
        head = {"series": series.name, "process": series.process, "unit": series.unit}
        for bucket in store.buckets(series.id):
            yield {**head, **asdict(bucket)}


def _sites(store: Store, run_id: int) -> Iterator[Row]:
    for site in store.sites(run_id):
        head = {"stack": _stack(site.stack), "domain": site.domain, "partial": site.partial}
        yield from ({**head, **asdict(point)} for point in site.points)


def _types(store: Store, run_id: int) -> Iterator[Row]:
    for one in store.types(run_id):
        yield from ({"type": one.type, **asdict(point)} for point in one.points)


def _handles(store: Store, run_id: int) -> Iterator[Row]:
    for one in store.handles(run_id):
        head = {"kind": one.kind, "stack": _stack(one.stack)}
        yield from ({**head, **asdict(point)} for point in one.points)


def _stack(stack: Stack) -> list[str]:
    """Frames as text, innermost last."""
    return [f"{file}:{line} {function}" for file, line, function in stack]


def _columns(kind: type, *more: str) -> tuple[str, ...]:
    return (*more, *(field.name for field in fields(kind)))


_SERIES = ("series", "process", "unit")
TABLES: dict[str, Exported] = {
    "runs": Exported(tuple(name for name in _columns(RunInfo) if name != "id"), _runs),
    "segments": _records(records.SegmentRow, Store.segments),
    "processes": _records(records.ProcessRow, Store.processes),
    "cycles": _records(records.CycleRow, Store.cycles),
    "events": _records(records.EventRow, Store.events),
    "samples": Exported((*_SERIES, "t", "value"), _samples),
    "buckets": Exported(_columns(records.BucketRow, *_SERIES), _buckets),
    "load_windows": _records(records.LoadWindowRow, Store.load_windows),
    "load_cycles": _records(records.LoadCycleRow, Store.load_cycles),
    "readings": _records(records.ReadingRow, Store.readings, "sites", "types", "handles"),
    "sites": Exported(_columns(records.SitePoint, "stack", "domain", "partial"), _sites),
    "types": Exported(_columns(records.TypePoint, "type"), _types),
    "handles": Exported(_columns(records.HandlePoint, "kind", "stack"), _handles),
}
