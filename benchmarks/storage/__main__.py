"""What the store costs: bytes per series and day, CPU to write and to read, beside the layout that comes to mind first.

`python -m benchmarks.storage`. The plain layout is a table (series, time as float, value, cost) with an index on
(series, time). CPU time, not wall time: the machine may be shared.
"""

from __future__ import annotations

import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import quick
from soak_storage import Store, care, open_store
from soak_storage.records import AnalysisRow, ReadingRow, RunStart, SampleRow, SiteRow, TypeRow
from soak_storage.retention import Retention

SERIES = 20
SECONDS = quick.sized(12 * 3600, 900)
MANY = quick.sized(1000, 20)  # runs
DAY = 86400
START = RunStart("orders-api", "here", 0.0, "0.1.0", 3600.0, 540.0, 12, {})


def values(name: int) -> Iterator[tuple[float, float, float]]:
    """(t, value, cost in us) once a second: bytes in pages, or counts, with times as they really are: never round."""
    chance = random.Random(name)
    level = 50_000_000 if name % 2 else 40
    for second in range(SECONDS):
        value = level + chance.randrange(0, 200) * (4096 if name % 2 else 1)
        yield second + chance.random() / 50, float(value), chance.uniform(2.0, 40.0)


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds of `work` in this process."""
    before = time.process_time()
    work()
    return time.process_time() - before


def row(what: str, ours: float, plain: float | None, unit: str) -> None:
    peer = "" if plain is None else f"{plain:12,.2f} {plain / ours:8.1f}x"
    print(f"{what:46}{ours:12,.2f} {peer:22} {unit}")


def write_plain(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE samples (id INTEGER PRIMARY KEY, series TEXT, t REAL, value REAL, cost REAL)")
    connection.execute("CREATE INDEX by_series ON samples (series, t)")
    for number in range(SERIES):
        rows = ((f"s{number}", t, value, cost) for t, value, cost in values(number))
        connection.executemany("INSERT INTO samples (series, t, value, cost) VALUES (?, ?, ?, ?)", rows)
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def read_plain(path: Path) -> None:
    connection = sqlite3.connect(path)
    for number in range(SERIES):
        connection.execute("SELECT t, value FROM samples WHERE series = ? ORDER BY t", (f"s{number}",)).fetchall()
    connection.close()


def write_ours(store: Store, run: int) -> None:
    """In batches of 500, as the recorder does."""
    batch: list[SampleRow] = []
    series = [values(number) for number in range(SERIES)]
    for _ in range(SECONDS):
        for number in range(SERIES):
            t, value, cost = next(series[number])
            batch.append(SampleRow(t, f"s{number}", "bytes", value, cost_us=cost))
        if len(batch) >= 500:
            store.write(run, batch)
            batch = []
    store.write(run, batch)


def read_ours(store: Store, run: int) -> None:
    for series in store.series(run):
        store.samples(series.id)


def longest_step(store: Store, retention: Retention) -> tuple[float, int]:
    """The longest time in ms that one batch of retention took, and how many there were."""
    longest, count = 0.0, 0
    while True:
        before = time.perf_counter()
        if not retention.step(3 * 86400.0):
            return longest * 1000, count
        longest, count = max(longest, time.perf_counter() - before), count + 1


def samples(folder: Path) -> None:
    """Size and speed of samples, then of what is left of them after thinning."""
    total = SERIES * SECONDS
    per_day = DAY / SECONDS / SERIES / 1024
    plain = folder / "plain.db"
    plain_write = cpu(lambda: write_plain(plain))
    plain_read = cpu(lambda: read_plain(plain))
    with open_store(f"sqlite:///{folder}/soak.db", environ={}) as store:
        run = store.begin_run(START)
        ours_write = cpu(lambda: write_ours(store, run))
        ours_read = cpu(lambda: read_ours(store, run))
        store.end_run(run, "completed", float(SECONDS))
        care.vacuum(store.engine)
        size = care.size(store.engine)
        row("raw sample, bytes", size / total, plain.stat().st_size / total, "bytes")
        row("series and day at 1 s", size * per_day, plain.stat().st_size * per_day, "KB")
        row("series and day at 5 s", size * per_day / 5, plain.stat().st_size * per_day / 5, "KB")
        row(
            "write a sample",
            ours_write / total * 1e6,
            plain_write / total * 1e6,
            "us of CPU (batches of 500 / one batch)",
        )
        row(f"load {SECONDS / 3600:g} h x 1 s x {SERIES} series", ours_read, plain_read, "s of CPU")
        longest, steps = longest_step(store, Retention(store, retain=1e9, raw=86400.0))
        care.vacuum(store.engine)
        row("series and day, thinned (1 h cycles)", care.size(store.engine) * per_day, None, "KB")
        row(f"longest of {steps} batches of thinning", longest, None, "ms of wall time")


def reading(cycle: int) -> ReadingRow:
    """What an agent sends of a busy process: 200 sites of 8 frames, 50 types."""
    sites = tuple(
        SiteRow(
            tuple((f"/app/module{number % 30}.py", number + depth, f"function{number}") for depth in range(8)),
            1e5 + cycle * number,
            100.0,
            births=dict.fromkeys(range(cycle + 1), 100) if number < 20 else {},
        )
        for number in range(200)
    )
    types = tuple(TypeRow(f"module.Type{number}", number * cycle) for number in range(50))
    return ReadingRow(3590.0 + cycle * 3600, cycle, "7:main", sites=sites, types=types)


def readings(folder: Path) -> None:
    """Readings of a process over 12 cycles."""
    with open_store(f"sqlite:///{folder}/readings.db", environ={}) as store:
        empty = care.size(store.engine)
        run = store.begin_run(START)
        took = cpu(lambda: [store.write(run, [reading(cycle)]) for cycle in range(12)])
        read = cpu(lambda: (store.sites(run), store.types(run)))
        care.vacuum(store.engine)
        row("reading of 200 sites and 50 types", (care.size(store.engine) - empty) / 12 / 1024, None, "KB each")
        row("write a reading", took / 12 * 1000, None, "ms of CPU")
        row("load sites and types of 12 cycles", read * 1000, None, "ms of CPU")


def runs(folder: Path) -> None:
    """Many runs, each with a report of 100 KB, listed by a process that starts for it."""
    url = f"sqlite:///{folder}/runs.db"
    with open_store(url, environ={}) as store:
        for number in range(MANY):
            run = store.begin_run(START)
            store.write(run, [AnalysisRow(1.0, {"verdict": "clean", "exit_code": 0, "x": "y" * 100_000})])
            store.end_run(run, "completed", float(number))
        row(f"list {MANY:,} runs", cpu(store.runs) * 1000, None, "ms of CPU")
    status = "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    code = f"from soak_storage import open_store; open_store({url!r}).runs(); {status}"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    child = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    row("  with start of Python and imports", (after.ru_utime - before.ru_utime) * 1000, None, "ms of CPU")
    row("  resident memory of that process", int(child.stdout) / 1024, None, "MB")


def main() -> None:
    """Print the table."""
    print(f"{'':46}{'soak':>12} {'plain':>12} {'ratio':>9}")
    with tempfile.TemporaryDirectory() as folder:
        samples(Path(folder))
        readings(Path(folder))
        runs(Path(folder))


if __name__ == "__main__":
    sys.exit(quick.run(main))
