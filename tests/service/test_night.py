"""A night in minutes: the daemon is killed with -9 ten times at moments that a seed chooses, on a target that leaks."""

from __future__ import annotations

import random
import sqlite3
import time
from pathlib import Path

import pytest

from soak_probes import start_time_of
from soak_storage import Store, open_store
from tests.common import free_port, wait_until
from tests.service.daemons import Service, configure, service

KILLS = 10
LEAKY = {
    "target": {"env": {"LEAK": "200000"}},  # at some 40 requests a cycle: 8 MB a cycle, where 1 MB is allowed
    "load": {"cycle": "3s", "cycles": 6, "low": 5, "high": 30, "quiet": "1s"},
    "schedule": {"every": "21s"},
}


def samples(store: Store, run_id: int) -> int:
    """How many are stored of a run."""
    return sum(len(store.samples(info.id)[0]) for info in store.series(run_id))


def lives_for(daemon: Service, seconds: float) -> dict[int, int]:
    """Let it work, count what is stored of each run, kill it at once after."""
    time.sleep(seconds)  # the moment is the point of it: there is no condition to wait for
    with open_store(daemon.store) as store:
        counted = {run.id: samples(store, run.id) for run in store.runs()}
    daemon.process.kill()
    daemon.process.wait()
    return counted


@pytest.mark.slow
def test_killed_ten_times(tmp_path: Path) -> None:
    """No stored sample is lost, every run has an end, nothing outlives its daemon, and no run is called clean."""
    chance = random.Random(7)
    port = free_port()
    configure(tmp_path, port, **LEAKY)
    counted: dict[int, int] = {}
    for _ in range(KILLS):
        with service(tmp_path, port=port, configured=True) as daemon:
            daemon.wait_for("READY=1")
            counted |= lives_for(daemon, chance.uniform(0.5, 9.0))
    with service(tmp_path, port=port, configured=True) as daemon:
        wait_until(lambda: bool(daemon.status().get("last")), 120)
        daemon.process.terminate()
        assert daemon.process.wait(60) == 0
    with open_store(daemon.store) as store:
        runs = store.runs()
        assert len(runs) >= 2 and {run.status for run in runs} <= {"completed", "interrupted"}
        assert all(samples(store, run_id) >= count for run_id, count in counted.items())
        assert all(run.verdict != "clean" for run in runs)
        assert any(run.verdict == "leak" for run in runs if run.status == "completed")
        assert all(start_time_of(owned.pid) != owned.start_time for _, owned in store.owned_processes())
    with sqlite3.connect(tmp_path / "soak.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
