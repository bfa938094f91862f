"""Disk full, killed with -9, two writers at once: the recorder and the store under duress."""

from __future__ import annotations

import ctypes
import itertools
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from soak.recorder import Recorder
from soak_storage import StoreUnavailable, open_store
from soak_storage.engine import available
from soak_storage.records import RunStart, SampleRow
from tests.common import PATIENCE_S, wait_until
from tests.storage.conftest import new_database
from tests.test_recorder import sample, stored

START = RunStart("a", "here", 0.0, "0.1", 60.0, 9.0, 6, {})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database is."""
    return tmp_path / "soak.db"


def test_a_full_database_is_waited_for(path: Path) -> None:
    """SQLite refuses to grow (as on a full disk) for a while: nothing that was taken is lost."""
    store = open_store(f"sqlite:///{path}", environ={})
    run = store.begin_run(START)
    with store.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
    limit = [int(pages or 0)]

    def confine(connection: sqlite3.Connection, _record: object, _proxy: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {limit[0]}")

    sa.event.listen(store.engine, "checkout", confine)
    recorder = Recorder(store, run, retry_seconds=(0.01,))
    for i in range(5000):
        assert recorder.put(SampleRow(float(i), f"s{i % 20}", "count", i + 0.5))
    wait_until(lambda: recorder.stats.retries >= 3)
    assert "full" in str(recorder.stats.last_error)
    limit[0] = 1 << 30
    assert recorder.close(PATIENCE_S)
    assert sorted(stored(store, run)) == [float(i) for i in range(5000)]
    store.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB, twice what SQLite lets its log grow to; for root only."""
    libc = ctypes.CDLL(None, use_errno=True)
    folder = tmp_path / "disk"
    folder.mkdir()
    if libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, b"size=8m") != 0:
        pytest.skip(f"cannot mount a small file system: {os.strerror(ctypes.get_errno())}")
    try:
        yield folder
    finally:
        libc.umount2(os.fsencode(folder), 2)


def test_a_full_disk_is_waited_for(small_disk: Path) -> None:
    """Really no space left: the batch waits until room is made, and is then stored whole."""
    with open_store(f"sqlite:///{small_disk}/soak.db", environ={}) as store:
        run = store.begin_run(START)
        recorder = Recorder(store, run, retry_seconds=(0.01,))
        recorder.put(sample(0.0))
        assert recorder.flush(PATIENCE_S)
        ballast = small_disk / "ballast"
        with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(b"x" * 4096)
        for i in range(1, 3000):
            assert recorder.put(sample(float(i), i + 0.5))
        wait_until(lambda: recorder.stats.retries >= 3)
        ballast.unlink()
        assert recorder.close(PATIENCE_S)
        assert stored(store, run) == [float(i) for i in range(3000)]


# ------------------------------------------------------------------------------------------------------ server away


@contextmanager
def cut_off(url: str) -> Iterator[None]:
    """Nobody but the superuser gets into the database, and whoever is in is thrown out."""
    import psycopg

    server, _, name = url.replace("+psycopg", "").rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        yield
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


def test_a_server_that_is_away_is_waited_for(postgres: str) -> None:
    """Connections are cut and refused for a while, in the middle of writing: every sample is there afterwards, once."""
    url = new_database(postgres)
    with open_store(url, environ={}) as store:
        run = store.begin_run(START)
        recorder = Recorder(store, run, retry_seconds=(0.02,))
        for i in range(2000):
            recorder.put(sample(float(i)))
        with cut_off(url):
            for i in range(2000, 4000):
                assert recorder.put(sample(float(i)))
            wait_until(lambda: recorder.stats.retries >= 2)
        assert recorder.close(PATIENCE_S)
        assert stored(store, run) == [float(i) for i in range(4000)]


@contextmanager
def read_only(server: str) -> Iterator[None]:
    """Nothing may be written on the server, in sessions that are open neither: as after a failover."""
    import psycopg

    with psycopg.connect(server.replace("+psycopg", "") + "postgres", autocommit=True) as connection:
        for value in ("on", "off"):
            connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}")
            connection.execute("SELECT pg_reload_conf()")
            wait_until(partial(_read_only_is, connection, value))
            if value == "on":
                yield


def _read_only_is(connection: Any, value: str) -> bool:
    found: Any = connection.execute("SELECT current_setting('default_transaction_read_only')").fetchone()
    return found == (value,)


def test_a_server_that_is_read_only_for_a_while_is_waited_for(postgres: str) -> None:
    """What it refuses meanwhile is not the sample's fault: every one is there afterwards, once."""
    with open_store(new_database(postgres), environ={}) as store:
        run = store.begin_run(START)
        recorder = Recorder(store, run, retry_seconds=(0.02,))
        put = itertools.count()
        with read_only(postgres):  # the recorder's own session hears of it when it likes
            wait_until(lambda: recorder.put(sample(float(next(put)))) and recorder.stats.retries >= 2)
        assert recorder.close(PATIENCE_S) and recorder.stats.dropped == 0
        assert stored(store, run) == [float(i) for i in range(next(put))]


@pytest.mark.parametrize(
    ("name", "passes"),
    [
        ("ReadOnlySqlTransaction", True),
        ("IdleInTransactionSessionTimeout", True),
        ("InFailedSqlTransaction", False),
        ("IndexCorrupted", False),
    ],
)
def test_of_internal_errors_those_are_waited_for_that_pass(name: str, passes: bool, path: Path) -> None:
    """A fault of ours, or of the database's files, would be tried again for ever."""
    errors = pytest.importorskip("psycopg").errors
    error = sa.exc.InternalError("INSERT", {}, getattr(errors, name)("no"))
    with (
        open_store(f"sqlite:///{path}", environ={}) as store,
        pytest.raises(StoreUnavailable if passes else sa.exc.InternalError),
        available(store.engine),
    ):
        raise error


# ---------------------------------------------------------------------------------------------- several processes

WRITER = """
import sys, time
from soak.recorder import Recorder
from soak_storage import engine, open_store
from soak_storage.records import RunStart, SampleRow
engine.BUSY_SECONDS = 60.0  # whoever holds the database may stand still for seconds on a busy machine
store = open_store(sys.argv[1])
run = store.begin_run(RunStart("a", "here", 0.0, "0.1", 60.0, 9.0, 6, {}))
recorder = Recorder(store, run)
for i in range(int(sys.argv[2])):
    recorder.put(SampleRow(i / 1000, "rss", "bytes", 1.0))
    while i - recorder.stats.written >= 1000:  # two batches: a slow disk must not let the queue grow
        time.sleep(0.001)
    if i % 10 == 0:
        time.sleep(0.001)
        print(run, i, recorder.stats.written, flush=True)
recorder.close(60.0)
"""


def start_writer(path: Path, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, f"sqlite:///{path}", str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_kill_9_loses_at_most_the_last_batch(path: Path) -> None:
    """What the writer was told is written is there after it was killed, without holes, and the file is sound."""
    writer = start_writer(path, 1_000_000)
    assert writer.stdout is not None
    for line in writer.stdout:
        run, put, written = (int(word) for word in line.split())
        if written > 1500:
            break
    writer.send_signal(signal.SIGKILL)
    for line in writer.stdout:  # what it had said before it died
        if len(line.split()) == 3 and line.endswith("\n"):
            run, put, written = (int(word) for word in line.split())
    writer.wait(PATIENCE_S)
    with open_store(f"sqlite:///{path}", create=False) as store:
        times = stored(store, run)
        assert times == [i / 1000 for i in range(len(times))]
        assert written <= len(times)
        assert put - len(times) <= 1000  # it put no more than this before it was told that the first were written
        assert store.close_orphaned_runs(lambda pid, start: False, host="here") == [run]
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_two_processes_write_into_one_store(path: Path) -> None:
    """A daemon and `soak run` beside it both get everything through."""
    writers = [start_writer(path, 3000) for _ in range(2)]
    for writer in writers:
        writer.communicate(timeout=4 * PATIENCE_S)
    assert [writer.returncode for writer in writers] == [0, 0]
    with open_store(f"sqlite:///{path}", create=False) as store:
        assert [len(stored(store, run.id)) for run in store.runs()] == [3000, 3000]
