"""Runs that a crash left open are closed, and no others."""

from __future__ import annotations

from collections.abc import Callable

from soak_storage import Store, open_store
from soak_storage.records import RunStart, SampleRow
from soak_storage.store import SILENT_SECONDS


def dead(_pid: int, _start_time: int) -> bool:
    return False


def test_a_run_without_its_owner_is_closed_as_interrupted(store: Store, begin: Callable[..., int]) -> None:
    """Its owner's pid with another start time is another process; the run of a living owner goes on."""
    begin(owner_pid=7, owner_start=100)
    alive = begin(owner_pid=7, owner_start=200)
    closed = store.close_orphaned_runs(lambda pid, start: (pid, start) == (7, 200), host="here")
    assert closed == [run.id for run in store.runs() if run.id != alive]
    assert store.run(closed[0]).status == "interrupted"
    assert store.run(closed[0]).error == {
        "code": "owner_gone",
        "message": "the soak process that wrote this run ended without closing it",
    }
    assert store.run(alive).status == "running"


def test_an_orphan_ended_when_it_last_wrote(url: str) -> None:
    """The end of a crashed run is its last commit, not the morning after."""
    now = [1000.0]
    with open_store(url, environ={}, wall=lambda: now[0]) as store:
        run = store.begin_run(RunStart("a", "here", 1000.0, "0.1", 60.0, 9.0, 6, {}))
        now[0] = 1500.0
        store.write(run, [SampleRow(500.0, "rss", "bytes", 1.0)])
        now[0] = 90_000.0
        store.close_orphaned_runs(dead, host="here")
        assert (store.run(run).ended, store.run(run).duration_s) == (1500.0, 500.0)


def test_a_closed_run_is_not_closed_again(store: Store, run: int) -> None:
    """A completed run has no owner either, and stays completed."""
    store.end_run(run, "completed", 1_767_225_700.0)
    assert store.close_orphaned_runs(dead, host="here") == []
    assert store.run(run).status == "completed"


def test_a_run_of_another_host_is_dead_only_after_long_silence(url: str) -> None:
    """Its processes cannot be looked at from here: what counts is when it last wrote."""
    now = [1000.0]
    with open_store(url, environ={}, wall=lambda: now[0]) as store:
        store.begin_run(RunStart("a", "there", 1000.0, "0.1", 60.0, 9.0, 6, {}))
        now[0] += SILENT_SECONDS - 1
        assert store.close_orphaned_runs(dead, host="here") == []
        now[0] += 2
        assert len(store.close_orphaned_runs(dead, host="here")) == 1


def test_a_run_can_be_resumed(store: Store, begin: Callable[..., int]) -> None:
    """A run on an attached target that is still there goes on under its new owner."""
    run = begin(owner_pid=7, owner_start=100)
    store.close_orphaned_runs(dead, host="here")
    store.resume_run(run, 9, 300)
    resumed = store.run(run)
    assert resumed.error is None
    assert (resumed.status, resumed.owner_pid, resumed.owner_start, resumed.ended) == ("running", 9, 300, None)
