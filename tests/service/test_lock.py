"""Two daemons do not share a store."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from soak.errors import SoakError
from soak.lock import LockPart, StoreLock
from soak_storage import Store, open_store
from tests.common import wait_until

HOLD = """
import sys, time
from soak.lock import StoreLock
from soak_storage import open_store
with open_store(sys.argv[1]) as store, StoreLock(store, "here", "orders-api"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_the_second_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    """Another process holds it and is named; once that is killed (-9) the lock is free."""
    url = f"sqlite:///{tmp_path}/soak.db"
    with subprocess.Popen([sys.executable, "-c", HOLD, url], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        with open_store(url) as store:
            with (
                pytest.raises(SoakError, match=f"process {holder.pid}") as error,
                StoreLock(store, "here", "orders-api"),
            ):
                pass
            assert error.value.code == "store_locked"
            holder.kill()
            holder.wait()
            with StoreLock(store, "here", "orders-api"):
                assert (tmp_path / "soak.db.lock").stat().st_mode & 0o777 == 0o600


def test_in_postgres_each_host_and_target_has_its_own() -> None:
    """Many daemons may report to one Postgres; two of the same host and target may not."""
    pytest.importorskip("psycopg", reason="the driver of the extra `postgres` is not installed")
    from tests.storage.databases import postgres_folder, running_postgres

    programs = postgres_folder()
    if programs is None:
        pytest.skip("no PostgreSQL server programs on this machine")
    with running_postgres(programs) as url, open_store(url + "postgres") as one, open_store(url + "postgres") as two:
        with StoreLock(one, "here", "orders-api"):
            with StoreLock(two, "here", "billing"), StoreLock(two, "there", "orders-api"):
                pass
            with pytest.raises(SoakError, match="another daemon of this host"), StoreLock(two, "here", "orders-api"):
                pass
        with StoreLock(two, "here", "orders-api"):
            pass
        _lost_with_its_session(one, two)


def _lost_with_its_session(one: Store, two: Store) -> None:
    """The server ends the session that holds the lock: it is taken again, or, if another was faster, that is known."""
    end_it = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
    with StoreLock(one, "here", "orders-api") as lock:
        assert not lock.keep()
        with two.engine.connect() as other:
            other.exec_driver_sql(end_it)
        wait_until(lock.keep)  # a session that was told to end does so some time later
        assert not lock.keep()
        with two.engine.connect() as other:
            other.exec_driver_sql(end_it)
        told: list[str] = []
        part = LockPart(lock, lambda: told.append("lost"))
        with ExitStack() as taken:

            def take() -> bool:
                with suppress(SoakError):
                    return bool(taken.enter_context(StoreLock(two, "here", "orders-api")))
                return False

            wait_until(take)
            part.loop(0.0)
        assert told == ["lost"]
