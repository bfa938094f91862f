"""Single troubles of a night, each by itself: the wall clock is moved, the disk is full at the very end."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from soak.config import Config, load_config
from soak.session import RunOutcome, run_soak
from soak_storage import open_store
from tests.e2e.soaking import write_config
from tests.night import trouble

HOUR = 3600.0
SHORT = {"load": {"cycle": "3s", "cycles": 4, "low": 5, "high": 20, "quiet": "1s"}, "agent": {"enabled": "off"}}


@dataclass
class MovedClock:
    """The monotonic clock of this machine, and a wall clock that is moved now and then.

    An injected clock: a time namespace does not move CLOCK_REALTIME, and the machine's own is not ours to move.
    """

    moves: dict[float, float] = field(default_factory=dict)  # seconds since the start: by how much
    began: float = field(default_factory=time.monotonic)

    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        passed = self.monotonic() - self.began
        return time.time() + sum(by for at, by in self.moves.items() if passed >= at)

    def sleep(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds))


def config_in(folder: Path) -> Config:
    write_config(folder, **SHORT)
    return load_config(folder / "soak.toml")


@pytest.mark.slow
def test_a_moved_wall_clock_changes_time_stamps_alone(tmp_path: Path) -> None:
    """An hour forward in the second cycle, two back in the third: samples, cycles and the run's length are whole."""
    config = config_in(tmp_path)
    outcome: RunOutcome = run_soak(config, clock=MovedClock({5.0: HOUR, 9.0: -2 * HOUR}))
    assert outcome.failure is None and outcome.report["run"]["status"] == "completed"
    with open_store(config.storage.url) as store:
        run = store.run(outcome.run_id)
        assert run.duration_s is not None and 12.0 <= run.duration_s < 300.0
        assert [(cycle.t0, cycle.complete) for cycle in store.cycles(run.id)] == [(3.0 * n, True) for n in range(4)]
        rss = next(info.id for info in store.series(run.id) if info.name == "rss")
        times = list(store.samples(rss)[0])
        assert times == sorted(times) and times[0] >= 0.0 and times[-1] <= 13.0
        assert {row.cycle for row in store.load_cycles(run.id)} == {0, 1, 2, 3}


@pytest.mark.slow
def test_a_disk_that_is_full_at_the_very_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report is given all the same, from what is stored and from memory; the next soak closes the run."""
    monkeypatch.setattr("soak.session.CLOSE_PATIENCE", 2.0)
    monkeypatch.setattr("soak.session.STORE_PATIENCE", 2.0)
    with trouble.small_disk(tmp_path / "disk", megabytes=32) as disk:
        config = config_in(disk)
        with open_store(config.storage.url) as store, monkeypatch.context() as patched:
            filled = trouble.full(disk)
            original = run_soak.__globals__["Session"]._conclude

            def conclude(session: object, *, interrupted: bool) -> RunOutcome:
                filled.__enter__()
                return original(session, interrupted=interrupted)

            patched.setattr("soak.session.Session._conclude", conclude)
            try:
                outcome = run_soak(config)
            finally:
                filled.__exit__(None, None, None)
            assert outcome.report["run"]["status"] == "completed" and outcome.report["series"]
            assert store.run(outcome.run_id).status == "running"
        again = run_soak(config)
        with open_store(config.storage.url) as store:
            assert store.run(outcome.run_id).status == "interrupted"
            assert store.run(again.run_id).status == "completed"
