"""Writes the old-database fixture of today's schema: `python -m tests.storage.make_database`, once per migration.

The dumps in tests/data/db are never changed afterwards: they are what users have on their disks.
"""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path

from soak_storage import Store, open_store
from soak_storage.engine import HEAD
from soak_storage.records import (
    AnalysisRow,
    CycleRow,
    EventRow,
    HandleRow,
    LoadCycleRow,
    LoadWindowRow,
    OwnedRow,
    ProcessRow,
    ReadingRow,
    Record,
    RunStart,
    SampleRow,
    SegmentRow,
    SiteRow,
    TypeRow,
)

FOLDER = Path(__file__).parents[1] / "data" / "db"
STACK = (("/app/main.py", 10, "<module>"), ("/app/cache.py", 57, "handler"))
STARTED = 1_767_225_600.0  # 2026-01-01 00:00 UTC


def load_dump(dump: Path, path: Path) -> str:
    """Make a database file of a dump; its URL."""
    with sqlite3.connect(path) as connection:
        connection.executescript(dump.read_text())
    connection.close()
    return f"sqlite:///{path}"


def fill(store: Store) -> None:
    """Two runs: one completed with everything in it, one cut off."""
    config = {"load": {"high": 50.0}, "limits": {"growth": "1MB/h"}}
    run = store.begin_run(
        RunStart("orders-api", "here", STARTED, "0.1.0", 60.0, 9.0, 2, config, {"command": ["python"]}, "abc", 7, 70)
    )
    for batch in batches():
        store.write(run, batch)
    store.end_run(run, "completed", STARTED + 120, duration_s=120.0)
    cut_off = store.begin_run(RunStart("orders-api", "here", STARTED + 86400, "0.1.0", 60.0, 9.0, 2, config))
    store.write(cut_off, [SampleRow(0.0, "rss", "bytes", 1.0)])


def batches() -> list[list[Record]]:
    """One of each record, and two cycles of samples."""
    samples = [SampleRow(float(t), "rss", "bytes", 1e6 + 100 * t, gates=True, cost_us=2.0) for t in range(120)]
    gap = [SampleRow(50.5, "rss", "bytes", None, gates=True)]
    course = [
        SegmentRow(0, 0.0, "start", "sampler"),
        CycleRow(0, 0.0, 60.0, True),
        CycleRow(1, 60.0, 120.0, True),
        ProcessRow(9, 90, "main", 0.0, 120.0, 0, "python", ("python", "app.py")),
        OwnedRow(9, 90, "target"),
        EventRow("outage", 30.0, 31.0, {"why": "refused"}, key="1"),
    ]
    load = [
        LoadWindowRow(0.0, 1.0, 0, "load", "list", 5, 5, 4, 1, 0),
        LoadCycleRow(0, "list", 9, 9, 8, 1, 0, {"timeout": 1}, b"l", b"s", b"r", False, {"duplicates": 0}, {"x": 1}),
    ]
    readings = [
        ReadingRow(
            t=58.0 + 60 * cycle,
            cycle=cycle,
            process="9:main",
            agent_mode="sampler",
            traced_bytes=1e6,
            sites=(SiteRow(STACK, 100.0 * (cycle + 1), 2.0, 1.5, births={0: 100}),),
            types=(TypeRow("dict", 5, 500),),
            handles=(HandleRow("fd", 2, STACK, "/tmp/x"),),
            warnings=("w",),
        )
        for cycle in range(2)
    ]
    return [[*samples, *gap, *course, *load], list(readings), [AnalysisRow(120.0, {"verdict": "leak", "exit_code": 1})]]


def main() -> None:
    """Write tests/data/db/<HEAD>.sql."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "soak.db"
        with open_store(f"sqlite:///{path}", environ={}, wall=lambda: STARTED + 120) as store:
            fill(store)
        with sqlite3.connect(path) as connection:
            dump = "\n".join(connection.iterdump())
        connection.close()
    (FOLDER / f"{HEAD}.sql").write_text(dump + "\n")


if __name__ == "__main__":
    main()
