"""How the daemon stands: alive only while samples are committed, and what it says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from soak.progress import Status
from soak.standing import LastRun, Patience, Standing, WatchedStore, last_run
from soak_storage import Store, open_store
from soak_storage.records import AnalysisRow, EventRow, LoadWindowRow, RunStart, SampleRow

STATUS = Status(3, 61.0, 1, 6, "load", 20.0, 5e7, 200.0, 900, 2, "inconclusive")


class Clock:
    """A monotonic clock that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """At zero."""
    return Clock()


@pytest.fixture
def standing(clock: Clock) -> Standing:
    """Of a daemon that has just begun a soak with a sampling interval of 1 s."""
    made = Standing("orders-api", monotonic=clock, wall=lambda: 1000.0)
    made.begin(Patience.of(startup_timeout=30.0, interval=1.0, stop_timeout=10.0, load_timeout=10.0))
    return made


def sample(t: float, value: float | None = 5e7) -> SampleRow:
    """One of the total memory."""
    return SampleRow(t, "rss", "bytes", value)


def test_samples_that_are_not_stored_are_no_life(standing: Standing, clock: Clock) -> None:
    """Soaking with 1 s samples: 115 s (30 + 5 + 10 + 10 + 60) without one is hung, however busy the soak looks."""
    standing.committed([sample(1.0)])
    assert standing.phase == "soaking"
    clock.now = 114.0
    standing.progress(STATUS)
    assert standing.alive
    clock.now = 116.0
    standing.progress(STATUS)  # the loop turns, but nothing reaches the store
    standing.committed([EventRow("note", 1.0)])  # and an event is no sample
    assert not standing.alive and standing.health()["status"] == "unhealthy"
    assert standing.troubles() == ["nothing was heard for 116 s while soaking"]
    standing.committed([sample(117.0)])
    assert standing.alive


def test_a_target_that_is_awaited_gives_no_samples_and_is_no_hang(clock: Clock) -> None:
    """Up to ten minutes until the successor of an attached one is found, and up to ten more until it is ready."""
    made = Standing("orders-api", monotonic=clock, wall=lambda: 1000.0)
    made.begin(Patience.of(startup_timeout=600.0, interval=1.0, stop_timeout=10.0, load_timeout=10.0))
    made.committed([sample(1.0)])
    clock.now = 600.0 + 600.0 + 5.0
    assert made.alive


def test_each_phase_has_its_patience(standing: Standing, clock: Clock) -> None:
    """A start may take startup_timeout and two minutes, an idle turn a minute, an analysis a quarter of an hour."""
    clock.now = 149.0
    assert standing.phase == "starting" and standing.alive
    clock.now = 151.0
    assert not standing.alive
    standing.ending()
    clock.now += 899.0
    assert standing.alive
    standing.end(LastRun(3, "clean", 1000.0))
    clock.now += 61.0
    assert not standing.alive
    standing.turn()
    assert standing.alive


def test_what_follows_the_last_cycle_stores_no_samples_and_is_no_hang(standing: Standing, clock: Clock) -> None:
    """Two minutes of a window under tracemalloc, a slow reading, a target that takes its time: all of it is ENDING."""
    standing.committed([sample(1.0)])
    standing.ending()
    clock.now = 300.0
    standing.committed([EventRow("agent", 1.0)])
    assert standing.alive and standing.phase == "ending"
    standing.committed([sample(2.0)])  # the sampler's last look
    assert standing.phase == "ending"


def test_what_was_last_seen_is_not_how_things_are_after_a_run(standing: Standing) -> None:
    """A target that is not there any more is neither healthy nor unhealthy, and has no memory."""
    standing.committed([sample(1.0), EventRow("check", 1.0, None, {"name": "api", "state": "unhealthy"})])
    standing.end(LastRun(3, "clean", 1000.0))
    assert (standing.samples(), standing.checks(), standing.load()) == ([], {}, {})
    assert standing.health()["target"]["status"] == "unknown"


def test_a_restart_of_the_daemon_forgets_no_verdict(opened: Store) -> None:
    """The newest run of this target, on this host, that ended with one; else an alert would resolve by itself."""
    starts = [("orders-api", "here"), ("orders-api", "here"), ("orders-api", "there"), ("other", "here")]
    runs = [
        opened.begin_run(RunStart(name, host, float(number), "0", 60.0, 9.0, 6, {}))
        for number, (name, host) in enumerate([*starts, ("orders-api", "here")])
    ]
    for run, verdict in zip(runs[:-1], ("clean", "leak", "failed", "failed"), strict=True):
        opened.end_run(run, "completed", 50.0 + run)
        opened.write(run, [AnalysisRow(1.0, {"verdict": verdict, "exit_code": 1})])
    assert last_run(opened, "orders-api", "here") == LastRun(runs[1], "leak", 50.0 + runs[1])
    assert last_run(opened, "payments", "here") is None


def test_what_a_commit_is_told_is_what_is_stored(standing: Standing, clock: Clock, tmp_path: Path) -> None:
    """A store under watch tells of samples once they are committed, and that a run was closed."""
    with open_store(f"sqlite:///{tmp_path}/soak.db", environ={}) as opened:
        store = WatchedStore(opened, standing)
        run_id = store.begin_run(RunStart("orders-api", "here", 0.0, "0", 60.0, 9.0, 6, {}))
        standing.recording(run_id, lambda: pytest.fail("not asked"))
        store.write(run_id, [sample(1.0), LoadWindowRow(0.0, 1.0, 0, "load", "list", 9, 9, 7, 1, 1)])
        store.write(run_id, [sample(2.0, 6e7), LoadWindowRow(1.0, 2.0, 0, "load", "list", 9, 9, 9, 0, 0)])
        assert [row.value for row in standing.samples()] == [6e7]
        assert (standing.load()["list"].landed, standing.load()["list"].failed) == (16, 1)
        assert opened.run(run_id).status == "running" and standing.phase == "soaking"
        store.end_run(run_id, "completed", 10.0)
        assert opened.run(run_id).status == "completed" and standing.phase == "ending"


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Store]:
    """A store."""
    with open_store(f"sqlite:///{tmp_path}/soak.db", environ={}) as store:
        yield store


def test_a_write_that_fails_is_not_told(standing: Standing, opened: Store) -> None:
    """Records of a run that does not exist are refused by the store, and the standing does not hear of them."""
    store = WatchedStore(opened, standing)
    with pytest.raises(Exception, match=r"FOREIGN KEY|foreign key"):
        store.write(99, [sample(1.0)])
    assert standing.samples() == [] and standing.phase == "starting"


def test_it_says_where_it_stands(standing: Standing) -> None:
    """A sentence for people, an object for programs."""
    standing.committed([sample(1.0), EventRow("check", 1.0, None, {"name": "api", "state": "unhealthy"})])
    standing.progress(STATUS)
    assert standing.sentence() == "run 3 of orders-api: cycle 2 of 6, load"
    told = standing.to_json()
    assert told["run"]["cycle"] == 1 and told["health"]["target"] == {
        "status": "unhealthy",
        "checks": {"api": "unhealthy"},
    }
    assert told["health"]["status"] == "healthy"  # a sick target is no reason to restart soak
    standing.next_start = lambda: 1_800_000_000.0
    standing.end(LastRun(3, "leak", 1000.0))
    assert standing.sentence() == "idle, next start 2027-01-15 08:00 UTC; last verdict leak"
    assert standing.to_json()["run"] is None and standing.runs["leak"] == 1


def test_a_broken_part_makes_it_degraded(standing: Standing) -> None:
    """It is named; the daemon is not hung."""
    standing.parts = lambda: {"web": {"restarts": 1, "error": "the port is taken"}}
    assert standing.health()["status"] == "degraded"
    assert standing.health()["troubles"] == ["part web: the port is taken"]
