"""Start and stop at any time, threads, forks, the interpreter's end, and other tools' hooks."""

from __future__ import annotations

import pytest

from .conftest import Guest

MODES = pytest.mark.parametrize("preload", [False, True], ids=["hooks", "preload"])


@MODES
def test_it_starts_and_stops_under_churning_threads(guest: Guest, some_python: str, preload: bool) -> None:
    """Eight times under four threads, at intervals from every byte to 64 KiB; each time the churn is seen."""
    found = guest("threads.py", 8, python=some_python, preload=preload)
    assert found["seen"] == 8
    assert found["stats"]["dropped"] == 0


@pytest.mark.slow
@MODES
def test_it_starts_and_stops_a_hundred_and_fifty_times(guest: Guest, some_python: str, preload: bool) -> None:
    """The same for longer: what a short run may miss by luck."""
    assert guest("threads.py", 150, python=some_python, preload=preload)["seen"] == 150


@MODES
def test_a_fork_under_load_gives_a_child_that_samples(guest: Guest, some_python: str, preload: bool) -> None:
    """No child hangs on an inherited lock; it has the parent's samples and takes its own."""
    found = guest("forks.py", python=some_python, preload=preload)
    assert found["codes"] == [0] * 20
    assert 800_000 < found["after"] < 1_200_000


@MODES
def test_a_fork_never_waits_for_who_waits_for_the_fork(guest: Guest, preload: bool) -> None:
    """Another library's fork handler takes a lock whose holder frees sampled memory: a hundred forks get through.

    What was sampled before them is still known afterwards.
    """
    found = guest("fork_handlers.py", preload=preload)
    assert found["codes"] == [0] * 100
    assert 800_000 < found["before"] < 1_200_000


@MODES
@pytest.mark.parametrize("how", ["return", "exit", "_exit"])
def test_the_interpreter_ends_while_daemon_threads_allocate(
    guest: Guest, some_python: str, preload: bool, how: str
) -> None:
    """Exit code 0 (checked by the fixture), with objects that allocate in __del__ at the very end."""
    assert guest("leaving.py", how, python=some_python, preload=preload)["sites"]


def test_tracemalloc_may_come_and_go_above_and_below(guest: Guest, some_python: str) -> None:
    """Under its hooks ours stay and pass through; when it takes ours away the sampler notices and begins again."""
    found = guest("beside_tracemalloc.py", python=some_python)
    for order in (
        "tracemalloc above",
        "started again under tracemalloc",
        "tracemalloc gone",
        "tracemalloc below",
        "hooked again",
    ):
        assert 0.8 < found[order] < 1.2, f"{order}: {found[order]}"
    assert found["parked"] == 0
    assert found["first reading after the hooks were lost"] == 0
    assert found["restarts"] == 1
    assert not found["tracing"]


def test_the_agents_own_thread_and_readings_are_left_out(guest: Guest, some_python: str) -> None:
    """2 MB of a thread that asked for it are not sampled, another's are; fifty kept readings do not show."""
    found = guest("ignored.py", python=some_python)
    assert found["agent"] < 20_000  # what its thread allocated before it could ask
    assert 1_600_000 < found["program"] < 2_500_000
    assert found["reading"] == 0
