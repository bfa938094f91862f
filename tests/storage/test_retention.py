"""Old runs go, old samples are thinned, and nothing that is still needed is touched."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from soak_storage import Store, open_store, tables
from soak_storage.records import (
    BucketRow,
    CycleRow,
    LoadWindowRow,
    ReadingRow,
    RunStart,
    SampleRow,
    SiteRow,
    TypeRow,
)
from soak_storage.retention import Owner, Phases, Retention, mark_for_deletion
from soak_storage.service_tables import sample_buckets
from tests.common import wait_until
from tests.storage.conftest import new_schema
from tests.storage.make_database import STARTED, batches, fill

DAY = 86400.0
KEEP = 10 * 365 * DAY
OTHER = (("/app/other.py", 1, "f"),)


def count(store: Store, table: sa.Table) -> int:
    with store.engine.connect() as connection:
        return int(connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0)


def series(store: Store, run: int, name: str = "rss") -> int:
    return next(one.id for one in store.series(run) if one.name == name)


def test_an_old_run_is_deleted_with_all_that_belongs_to_it(store: Store) -> None:
    """After its time nothing of a run is left in any table; the one still open stays."""
    fill(store)
    before = {table.name: count(store, table) for table in tables.METADATA.sorted_tables}
    assert min(before[name] for name in ("samples", "reading_sites", "reading_births", "stacks", "types")) > 0
    Retention(store, retain=30 * DAY, raw=KEEP).run(STARTED + 31 * DAY)
    assert [run.id for run in store.runs()] == [2]
    left = {table.name: count(store, table) for table in tables.METADATA.sorted_tables if table.name != "runs"}
    assert left == {**dict.fromkeys(left, 0), "series": 1, "samples": 1}


def test_who_keeps_something_beside_the_store_is_told(store: Store) -> None:
    """Once, when the run is gone; a pass that may take no time does one batch."""
    fill(store)
    told: list[int] = []
    retention = Retention(store, retain=30 * DAY, raw=KEEP, deleted=told.append)
    retention.run(STARTED + 31 * DAY, seconds=0.0)
    assert told == [] and len(store.runs()) == 1  # marked, and in no list any more
    retention.run(STARTED + 31 * DAY)
    assert told == [1]


def test_a_run_is_kept_until_its_time(store: Store) -> None:
    """One second before, nothing is due."""
    fill(store)
    retention = Retention(store, retain=30 * DAY, raw=KEEP)
    assert not retention.step(STARTED + 120 + 30 * DAY - 1)
    assert len(store.runs()) == 2
    assert retention.step(STARTED + 120 + 30 * DAY + 1)


def test_a_baseline_is_kept(store: Store) -> None:
    """However old; only one run of a target is the baseline, and it can be taken back."""
    fill(store)
    store.set_baseline(2, "baseline")
    store.set_baseline(1, "baseline")
    found = store.baseline("orders-api")
    assert found is not None
    assert found.id == 1
    Retention(store, retain=DAY, raw=KEEP).run(STARTED + KEEP)
    assert len(store.runs()) == 2
    store.set_baseline(1, None)
    assert store.baseline("orders-api") is None
    Retention(store, retain=DAY, raw=KEEP).run(STARTED + KEEP)
    assert [run.id for run in store.runs()] == [2]


def test_a_daemon_deletes_the_runs_of_its_own_target(store: Store, begin: Callable[..., int]) -> None:
    """Many targets in one store, each kept for a time of its own: what has one to keep for 7 days leaves the others."""
    runs = [begin(started=STARTED, name=name) for name in ("orders-api", "payments")]
    for run in runs:
        store.end_run(run, "completed", STARTED + 100)
    mark_for_deletion(store, [other := begin(started=STARTED, name="payments")])  # running: it is not marked
    Retention(store, retain=7 * DAY, raw=KEEP, owner=Owner("here", "orders-api")).run(STARTED + 8 * DAY)
    assert {run.id for run in store.runs()} == {runs[1], other}
    Retention(store, retain=7 * DAY, raw=KEEP).run(STARTED + 8 * DAY)  # `soak db prune` has them all
    assert {run.id for run in store.runs()} == {other}


def test_what_another_target_is_having_deleted_is_left_to_it(store: Store, begin: Callable[..., int]) -> None:
    """The logs beside the store go with the last row: the daemon that has them does both."""
    run = begin(started=STARTED, name="payments")
    store.end_run(run, "completed", STARTED + 100)
    assert mark_for_deletion(store, [run]) == 1
    told: list[int] = []
    for name in ("orders-api", "payments"):
        assert told == []
        owner = Owner("here", name)
        Retention(store, retain=KEEP, raw=KEEP, owner=owner, deleted=told.append).run(STARTED + DAY)
    assert told == [run]


def test_a_host_looks_after_its_own_runs_of_a_target_while_it_soaks_it(postgres: str) -> None:
    """Staging keeps a week, production a year: in one Postgres. Of a pod that is gone the others let go in the end."""
    with open_store(new_schema(postgres), environ={}) as store:

        def ran(host: str, day: float) -> int:
            run = store.begin_run(RunStart("orders-api", host, STARTED + day * DAY, "0.1.0", 60.0, 9.0, 6, {}))
            store.end_run(run, "completed", STARTED + day * DAY + 100)
            return run

        staging, production, pod = ran("staging", 0), ran("production", 0), ran("pod", 0)
        last = ran("production", 60)
        retention = Retention(store, retain=7 * DAY, raw=KEEP, owner=Owner("staging", "orders-api"))
        retention.run(STARTED + 61 * DAY)
        assert staging not in (left := {run.id for run in store.runs()}) and left == {production, pod, last}
        retention.run(STARTED + 91 * DAY)
        assert {run.id for run in store.runs()} == {production, last}


def test_an_sqlite_file_is_tidied_whatever_its_machine_is_called(tmp_path: Path) -> None:
    """Every pod and every container has a name of its own, and the volume is the same."""
    with open_store(f"sqlite:///{tmp_path}/soak.db", environ={}) as store:
        fill(store)  # on "here"
        Retention(store, retain=7 * DAY, raw=KEEP, owner=Owner("pod-2", "orders-api")).run(STARTED + 8 * DAY)
        assert [run.id for run in store.runs()] == [2]


def test_a_run_that_is_being_deleted_is_in_no_list(store: Store, begin: Callable[..., int]) -> None:
    """A prune that was cut off in the middle leaves no half run that could be judged; the next one goes on."""
    run = begin(started=STARTED)
    store.write(run, [SampleRow(float(t), "rss", "bytes", 1.0) for t in range(100)])
    store.end_run(run, "completed", STARTED + 100)
    retention = Retention(store, retain=DAY, raw=KEEP, rows=10)
    for _ in range(4):
        assert retention.step(STARTED + 2 * DAY)
    assert 0 < count(store, tables.samples) < 100
    assert store.runs() == []
    Retention(store, retain=KEEP, raw=KEEP).run(STARTED + 2 * DAY)
    assert count(store, tables.samples) == count(store, tables.runs) == 0


def test_a_batch_of_deletion_is_small(store: Store, begin: Callable[..., int]) -> None:
    """No step deletes more rows than it was allowed to, give or take a row."""
    run = begin(started=STARTED)
    store.write(run, [SampleRow(float(t), "rss", "bytes", 1.0) for t in range(100)])
    store.write(run, [LoadWindowRow(float(t), t + 1.0, 0, "load", "list", 1, 1, 1, 0, 0) for t in range(100)])
    store.end_run(run, "completed", STARTED + 100)
    retention = Retention(store, retain=DAY, raw=KEEP, rows=10)
    rows = [200]
    while retention.step(STARTED + 2 * DAY):
        rows.append(count(store, tables.samples) + count(store, tables.load_windows))
    assert rows[-1] == 0
    assert max(before - after for before, after in itertools.pairwise(rows)) <= 11


def test_a_writer_that_remembers_pruned_frames_learns_them_again(url: str) -> None:
    """The daemon holds ids in memory that another process prunes: its next reading is stored all the same."""
    row = ReadingRow(1.0, 0, "9:main", sites=(SiteRow(OTHER, 1.0, 1.0),), types=(TypeRow("dict", 1),))
    with open_store(url, environ={}) as daemon, open_store(url, environ={}) as command:
        fill(daemon)
        daemon.write(1, [row])
        Retention(command, retain=DAY, raw=KEEP).run(STARTED + KEEP)
        assert count(command, tables.stacks) == 0
        daemon.write(2, [row])
        assert daemon.sites(2)[0].stack == OTHER


# --------------------------------------------------------------------------------------------------------- thinning

# Cycles of 60 s with 12 s of quiet: buckets of 3 s, in the busy 48 s and in the quiet 12 s alike.
PHASES = Phases(60_000, 12_000)


@pytest.mark.parametrize(
    ("at", "bucket"),
    [
        (0, (0, 3_000)),
        (2_999, (0, 3_000)),
        (47_999, (45_000, 48_000)),
        (48_000, (48_000, 51_000)),
        (59_999, (57_000, 60_000)),
        (60_000, (60_000, 63_000)),
        (-1, (-3_000, 0)),
    ],
)
def test_buckets_keep_to_phases(at: int, bucket: tuple[int, int]) -> None:
    """A bucket ends where its phase ends; before the first cycle they count backwards."""
    assert PHASES.bucket(at) == bucket


@given(
    cycle=st.integers(1, 10_000_000),
    share=st.floats(0.0, 1.0),
    at=st.integers(-(10**7), 10**9),
)
def test_buckets_are_a_partition(cycle: int, share: float, at: int) -> None:
    """Every moment is in its bucket, every moment of a bucket has the same one, and none reaches over a phase."""
    phases = Phases(cycle, int(cycle * share))
    start, end = phases.bucket(at)
    assert start <= at < end
    assert phases.bucket(start) == phases.bucket(end - 1) == (start, end)
    busy = cycle - phases.quiet
    assert (start % cycle < busy) == ((end - 1) % cycle < busy)
    assert start // cycle == (end - 1) // cycle


def thinned_run(store: Store, begin: Callable[..., int], *, ended: bool) -> int:
    """Two cycles of 60 s, 1 s samples, with a gap at 4 s and nothing but gaps from 6 s to 9 s."""
    run = begin(started=STARTED, quiet_seconds=12.0)
    gaps = (4, 6, 7, 8)
    store.write(run, [SampleRow(float(t), "rss", "bytes", None if t in gaps else float(t)) for t in range(120)])
    store.write(run, [CycleRow(number, 60.0 * number, 60.0 * number + 60, True) for number in range(2)])
    if ended:
        store.end_run(run, "completed", STARTED + 120)
    return run


def test_old_samples_become_buckets(store: Store, begin: Callable[..., int]) -> None:
    """Least, mean and greatest of 3 s each; gaps are counted, and a bucket of gaps is a gap."""
    run = thinned_run(store, begin, ended=True)
    retention = Retention(store, retain=KEEP, raw=DAY, rows=7)
    assert not retention.step(STARTED + DAY + 119)
    retention.run(STARTED + DAY + 121)
    assert (count(store, tables.samples), count(store, sample_buckets)) == (0, 40)
    buckets = store.buckets(series(store, run))
    assert buckets[:4] == [
        BucketRow(0.0, 3.0, 3, 0, 0.0, 1.0, 2.0),
        BucketRow(3.0, 6.0, 2, 1, 3.0, 4.0, 5.0),
        BucketRow(6.0, 9.0, 0, 3, None, None, None),
        BucketRow(9.0, 12.0, 3, 0, 9.0, 10.0, 11.0),
    ]
    times, values = store.samples(series(store, run))
    assert list(times[:4]) == [1.5, 4.5, 7.5, 10.5]
    assert (list(values[:2]), values[2] != values[2], values[-1]) == ([1.0, 4.0], True, 118.0)


def test_a_thinned_run_is_done(store: Store, begin: Callable[..., int]) -> None:
    """It is not looked at again, and can be deleted when its time comes."""
    thinned_run(store, begin, ended=True)
    Retention(store, retain=KEEP, raw=DAY).run(STARTED + 2 * DAY)
    assert not Retention(store, retain=KEEP, raw=DAY).step(STARTED + 3 * DAY)
    Retention(store, retain=4 * DAY, raw=DAY).run(STARTED + 5 * DAY)
    assert count(store, sample_buckets) == count(store, tables.series) == 0


def test_a_run_that_goes_on_is_thinned_by_whole_cycles(store: Store, begin: Callable[..., int]) -> None:
    """A service soaked for months keeps its last days whole: the first cycle is thinned, the second not yet."""
    run = thinned_run(store, begin, ended=False)
    Retention(store, retain=DAY, raw=DAY).run(STARTED + DAY + 110)
    assert (count(store, tables.samples), count(store, sample_buckets)) == (60, 20)
    times, values = store.samples(series(store, run))
    assert list(times) == sorted(times)
    assert (len(times), times[20], values[20]) == (80, 60.0, 60.0)


def test_the_trough_of_a_thinned_run_is_where_it_was(store: Store, begin: Callable[..., int]) -> None:
    """Samples of the load never get into a bucket of the quiet phase."""
    run = begin(started=STARTED, quiet_seconds=10.0)
    rows = [SampleRow(t / 2, "rss", "bytes", 10.0 if t / 2 % 60 >= 50 else 99.0) for t in range(240)]
    store.write(run, rows)
    store.end_run(run, "completed", STARTED + 120)
    Retention(store, retain=KEEP, raw=DAY).run(STARTED + 2 * DAY)
    assert {(bucket.low, bucket.high) for bucket in store.buckets(series(store, run)) if bucket.t0 % 60 >= 50} == {
        (10.0, 10.0)
    }


def test_a_sample_is_not_delayed_by_retention(url: str, begin: Callable[..., int], store: Store) -> None:
    """While a large run is deleted and another is thinned, samples get through before every next batch of that."""
    old = begin(started=STARTED)
    for batch in batches():
        store.write(old, batch)
    store.write(old, [SampleRow(t / 4, "fds", "count", 1.0) for t in range(40_000)])
    store.end_run(old, "completed", STARTED + 10_000)
    now = begin(started=STARTED + KEEP)
    retention = Retention(store, retain=DAY, raw=DAY)
    written: list[float] = []
    cleaned: list[int] = []  # samples that were written by the end of each batch

    def clean_up() -> None:
        while retention.step(STARTED + KEEP):
            cleaned.append(len(written))
            wait_until(lambda: len(written) > cleaned[-1])  # who writes may be the slower of the two

    with open_store(url, environ={}) as other:
        worker = threading.Thread(target=clean_up, daemon=True)
        worker.start()
        while worker.is_alive():
            other.write(now, [SampleRow(float(len(written)), "rss", "bytes", 1.0)])
            written.append(float(len(written)))
        assert len(cleaned) > 5
        assert [run.id for run in other.runs()] == [now]
        assert list(other.samples(series(other, now))[0]) == written
