"""A night in minutes: 60 cycles of 5 s, where a night has cycles of minutes, and everything else in proportion.

The target is killed, stopped and continued, the disk is full for a while, and the daemon is killed with -9 ten times,
all at moments that a seed chooses. The target leaks, so that no run may be called clean.
"""

from __future__ import annotations

import random
import sqlite3
import time
from pathlib import Path

import pytest

from soak_probes import start_time_of
from soak_storage import open_store
from tests.common import free_port, wait_until
from tests.night import trouble
from tests.service.daemons import configure, service

KILLS = 10
CYCLES = 60
CYCLE = 5.0
NIGHT = {
    "target": {"env": {"LEAK": "200000"}, "restart": "on-failure"},
    "load": {"cycle": "5s", "cycles": 8, "low": 5, "high": 30, "quiet": "1500ms"},
    "schedule": {"every": "41s"},
}


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_night_in_minutes(tmp_path: Path) -> None:
    """No stored sample is lost, every run has an end, none is called clean, nothing outlives its daemon."""
    chance = random.Random(11)
    port = free_port()
    counted: dict[int, int] = {}
    happened: list[str] = []
    with trouble.small_disk(tmp_path / "disk", megabytes=64) as disk:
        configure(disk, port, **NIGHT)
        began = time.monotonic()
        for killed in range(KILLS):
            with service(disk, port=port, configured=True) as daemon:
                daemon.wait_for("READY=1", 200)
                until = began + (killed + 1) * CYCLES * CYCLE / KILLS
                while time.monotonic() < until:
                    time.sleep(chance.uniform(1.0, 8.0))  # the moment is the point of it
                    happened.append(trouble.happens(daemon, chance))
                counted |= trouble.count(daemon.store)
                daemon.process.kill()
                daemon.process.wait()
        with service(disk, port=port, configured=True) as daemon:
            wait_until(lambda: any(daemon.status().get("runs", {}).values()), 600)  # one that ended in this daemon
            daemon.process.terminate()
            assert daemon.process.wait(120) == 0
        assert set(happened) == {"kill_target", "stop_target", "fill_disk"}
        with open_store(daemon.store) as store:
            runs = store.runs()
            assert len(runs) >= 2
            assert {run.status for run in runs} <= {"completed", "interrupted", "failed"}
            assert all(trouble.samples(store, run_id) >= before for run_id, before in counted.items())
            assert all(run.verdict != "clean" for run in runs)
            assert any(run.status == "completed" for run in runs)
            lost = [event.detail for run in runs for event in store.events(run.id) if event.detail.get("lost")]
            assert not lost  # what waited while the disk was full was written later
            assert all(start_time_of(owned.pid) != owned.start_time for _, owned in store.owned_processes())
        with sqlite3.connect(disk / "soak.db") as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
