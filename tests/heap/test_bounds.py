"""What the sampler costs in memory and in pauses is bounded by what is alive, not by what has been."""

from __future__ import annotations

from .conftest import Guest

MB = 1 << 20


def test_dead_stacks_are_dropped_and_live_ones_keep_their_names(guest: Guest, some_python: str) -> None:
    """12,000 functions, each of its own file and line, at 64 bytes: the tables stay small, the last are named."""
    found = guest("bounds.py", python=some_python)
    assert found["stats"]["taken"] > 12_000
    assert found["stats"]["stacks"] < 8_000
    assert max(found["sizes"]) < 3 * MB
    assert all(found["named"])
    assert found["lines"] == [11990 % 500 + 1]
    assert found["after"] < 1 * MB


def test_two_thousand_live_samples_take_under_three_megabytes_and_are_dumped_in_proportion(guest: Guest) -> None:
    """Ten times the samples take at most ten times the time, and that is no tenth of what it took to make the heap.

    Of twenty dumps each the best, since other work on the machine can only lengthen them.
    """
    found = guest("bounds.py")
    assert 100 < found["few_live"] < 300
    assert 1_700 < found["live"] < 2_400
    assert found["own"] < 3 * MB
    assert found["seconds"] < 10 * found["few_seconds"]
    assert found["seconds"] < 0.1 * found["made_seconds"]
