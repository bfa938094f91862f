"""Every live byte is counted once, whatever path the allocation took, and the stated error is the real one."""

from __future__ import annotations

import pytest

from .conftest import Guest


def test_estimates_lie_within_three_standard_errors_over_a_hundred_seeds(guest: Guest) -> None:
    """Scores are close to standard normal: their mean near 0, their spread near 1, at most one of 100 beyond three."""
    scores = guest("accuracy.py", 100)["scores"]
    mean = sum(scores) / len(scores)
    spread = (sum((score - mean) ** 2 for score in scores) / (len(scores) - 1)) ** 0.5
    assert sum(abs(score) > 3 for score in scores) <= 1  # expected 0.27
    assert abs(mean) < 0.35  # three standard errors of a mean of 100, with room for the skew of estimated errors
    assert 0.75 < spread < 1.3


ALLOCATORS = ("default", "debug", "malloc", "malloc_debug")


@pytest.mark.parametrize("allocator", ALLOCATORS)
@pytest.mark.parametrize("preload", [False, True], ids=["hooks", "preload"])
def test_blocks_are_counted_once_through_every_allocator(guest: Guest, allocator: str, preload: bool) -> None:
    """Forwarded, reallocated and zeroed blocks come out at their size, freed ones at nothing."""
    found = guest("accounting.py", preload=preload, PYTHONMALLOC=allocator)
    for name, ratio in found.items():
        if name.endswith(" freed"):
            assert ratio < 0.05, name
        else:
            assert 0.8 < ratio < 1.25, f"{name}: {ratio}"


def test_blocks_are_counted_once_on_every_interpreter(guest: Guest, python: str) -> None:
    """The same through the default allocator of each version."""
    found = guest("accounting.py", python=python)
    assert all(0.8 < ratio < 1.25 for name, ratio in found.items() if not name.endswith(" freed")), found
