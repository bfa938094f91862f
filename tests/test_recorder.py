"""What is acknowledged is stored, what is lost is said, and nothing ever waits for ever."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from soak import recorder as module
from soak.recorder import CLOSED, FULL, REFUSED, Recorder
from soak_storage import Store, open_store
from soak_storage.records import EventRow, LoadWindowRow, ReadingRow, Record, RunStart, SampleRow, SiteRow, TypeRow
from tests.common import PATIENCE_S, wait_until

START = RunStart("a", "here", 0.0, "0.1", 60.0, 9.0, 6, {})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database is."""
    return tmp_path / "soak.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    """An open SQLite store."""
    with open_store(f"sqlite:///{path}", environ={}) as opened:
        yield opened


def sample(t: float, value: float | None = 1.0) -> SampleRow:
    return SampleRow(t, "rss", "bytes", value)


def stored(store: Store, run: int) -> list[float]:
    return [t for series in store.series(run) for t in store.samples(series.id)[0]]


class Lock:
    """Another program that holds the database."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("BEGIN IMMEDIATE")

    def release(self) -> None:
        self._connection.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database gives up on a lock after 50 ms, so that the recorder's own patience is what is tested."""
    monkeypatch.setattr("soak_storage.engine.BUSY_SECONDS", 0.05)


def test_what_was_put_is_stored_after_close(store: Store) -> None:
    """Everything, in one or more batches, without being asked to flush."""
    run = store.begin_run(START)
    recorder = Recorder(store, run)
    assert all(recorder.put(sample(i / 4)) for i in range(1201))
    assert recorder.close(PATIENCE_S)
    assert stored(store, run) == [i / 4 for i in range(1201)]
    stats = recorder.stats
    assert (stats.written, stats.queued, stats.dropped) == (1201, 0, 0)
    assert stats.batches >= 3  # 500 rows at most in each


def test_flush_acknowledges_only_what_is_committed(store: Store, path: Path) -> None:
    """When flush returns True another connection sees the rows."""
    run = store.begin_run(START)
    recorder = Recorder(store, run, batch_seconds=3600.0)
    recorder.put(sample(1.0))
    assert recorder.flush(PATIENCE_S)
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT count(*) FROM samples").fetchone() == (1,)
    assert recorder.stats.last_commit is not None
    recorder.close(PATIENCE_S)


def test_a_mark_is_stored_once_all_before_it_is(store: Store) -> None:
    """Nobody waits for it; what is put behind it does not matter."""
    recorder = Recorder(store, store.begin_run(START), batch_seconds=3600.0)
    recorder.put(sample(1.0))
    mark = recorder.mark()
    assert not recorder.stored(mark)
    recorder.flush(PATIENCE_S)
    recorder.put(sample(2.0))
    assert recorder.stored(mark)
    assert not recorder.stored(recorder.mark())
    recorder.close(PATIENCE_S)


def test_a_small_batch_is_written_when_it_is_old_enough(store: Store) -> None:
    """Nobody has to call anything: after `batch_seconds` a single sample is in the store."""
    run = store.begin_run(START)
    recorder = Recorder(store, run, batch_seconds=0.05)
    recorder.put(sample(1.0))
    wait_until(lambda: stored(store, run) == [1.0])
    recorder.close(PATIENCE_S)


def test_a_large_batch_does_not_wait_for_its_age(store: Store) -> None:
    """500 rows are written at once; a reading counts as many rows as it becomes."""
    run = store.begin_run(START)
    recorder = Recorder(store, run, batch_seconds=3600.0)
    sites = tuple(SiteRow((("/a.py", line, "f"),), 1.0, 1.0, births={0: 1}) for line in range(200))
    types = tuple(TypeRow(f"t{i}", 1) for i in range(100))
    recorder.put(ReadingRow(1.0, 0, "7:main", sites=sites, types=types))
    wait_until(lambda: len(store.readings(run)) == 1)
    recorder.close(PATIENCE_S)


def test_a_locked_store_is_waited_for(impatient: None, store: Store, path: Path) -> None:
    """While another program holds the database nothing is lost; afterwards everything is there, in order."""
    run = store.begin_run(START)
    lock = Lock(path)
    recorder = Recorder(store, run, retry_seconds=(0.01,))
    for i in range(10):
        assert recorder.put(sample(float(i)))
    assert not recorder.flush(timeout=0.2)
    wait_until(lambda: recorder.stats.retries >= 2)
    assert "locked" in str(recorder.stats.last_error)
    lock.release()
    assert recorder.flush(PATIENCE_S)
    recorder.close(PATIENCE_S)
    assert stored(store, run) == [float(i) for i in range(10)]


def test_a_full_queue_loses_samples_and_says_so(impatient: None, store: Store, path: Path) -> None:
    """The oldest are kept, the loss is counted and stored as a gap from the first lost sample to the last."""
    run = store.begin_run(START)
    lock = Lock(path)
    recorder = Recorder(store, run, queue_rows=10, batch_seconds=0.01, retry_seconds=(0.01,))
    assert [recorder.put(sample(float(i))) for i in range(10)] == [True] * 10
    wait_until(lambda: recorder.stats.retries)  # from here on one batch is tried in vain, and none is begun
    assert [recorder.put(sample(float(i))) for i in range(10, 15)] == [False] * 5
    assert recorder.put(EventRow("restart", 15.0))  # events have a reserve
    assert recorder.stats.dropped == 5
    lock.release()
    assert recorder.close(PATIENCE_S)
    assert stored(store, run) == [float(i) for i in range(10)]
    assert store.events(run) == [
        EventRow("gap", 10.0, 14.0, {"why": FULL, "lost": 5}),
        EventRow("restart", 15.0),
    ]


def test_one_bad_record_takes_nothing_with_it(store: Store) -> None:
    """What the database refuses for good is dropped alone, counted, and stored as a gap."""
    run = store.begin_run(START)
    recorder = Recorder(store, run, batch_seconds=3600.0)
    bad = LoadWindowRow(5.0, 6.0, 0, "load", None, 1, 1, 1, 0, 0)  # type: ignore[arg-type]  # that is the point
    for i in range(20):
        recorder.put(bad if i == 7 else sample(float(i)))
    assert recorder.close(PATIENCE_S)
    assert stored(store, run) == [float(i) for i in range(20) if i != 7]
    assert store.events(run) == [EventRow("gap", 5.0, 6.0, {"why": REFUSED, "lost": 1})]
    assert (recorder.stats.dropped, recorder.stats.written) == (1, 19)


def test_close_does_not_hang_on_a_store_that_cannot_be_written(impatient: None, store: Store, path: Path) -> None:
    """It gives up after its timeout, says that something was left behind, and ends its thread."""
    run = store.begin_run(START)
    lock = Lock(path)
    recorder = Recorder(store, run, retry_seconds=(3600.0,))
    recorder.put(sample(1.0))
    assert not recorder.flush(timeout=0.1)
    assert not recorder.close(timeout=0.2)
    wait_until(lambda: not recorder._thread.is_alive())  # and does not wait for the next attempt, an hour away
    assert recorder.stats.queued == 1
    lock.release()


def test_after_close_nothing_is_taken(store: Store) -> None:
    """A late sample is refused, not silently kept; closing and flushing again is harmless."""
    recorder = Recorder(store, store.begin_run(START))
    assert recorder.close(PATIENCE_S)
    assert not recorder.put(sample(1.0))
    assert recorder.stats.dropped == 1
    assert recorder.flush(timeout=0.1)
    assert recorder.close(PATIENCE_S)
    assert CLOSED in recorder._lost


def test_putting_never_waits_for_the_store(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """2,000 samples are taken while the store does not come back from the first batch."""
    run = store.begin_run(START)
    asked, released = threading.Event(), threading.Event()
    write = store.write

    def held(run_id: int, batch: Sequence[Record]) -> None:
        asked.set()
        released.wait()
        write(run_id, batch)

    monkeypatch.setattr(store, "write", held)
    recorder = Recorder(store, run)
    assert recorder.put(sample(0.0))
    assert asked.wait(PATIENCE_S)
    assert all(recorder.put(sample(float(i))) for i in range(1, 2000))  # were this to wait, it would do so for ever
    assert recorder.stats.written == 0
    released.set()
    assert recorder.close(PATIENCE_S)
    assert len(stored(store, run)) == 2000


def test_many_threads_may_put(store: Store) -> None:
    """Sampler, load and agent write through one recorder."""
    run = store.begin_run(START)
    recorder = Recorder(store, run)

    def work(number: int) -> None:
        for i in range(300):
            recorder.put(SampleRow(float(i), f"s{number}", "count", 1.0))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert recorder.close(PATIENCE_S)
    assert len(stored(store, run)) == 1200


def test_weight_is_the_rows_a_record_becomes() -> None:
    """1 for the reading, 1 site with 2 births, 1 type: 5."""
    site = SiteRow((), 1.0, 1.0, births={0: 1, 1: 1})
    assert module.weight(ReadingRow(1.0, 0, "p", sites=(site,), types=(TypeRow("t", 1),))) == 5
    assert module.weight(sample(1.0)) == 1
