"""Which runs are worth a look at their places under tracemalloc, and how that look is sized."""

from __future__ import annotations

from typing import Any

import pytest

from soak.parts.confirm import window_for
from soak.suspects import Suspects, suspect

MB = 1024 * 1024


def reading(*sites: tuple[str, float, float], partial: bool = False) -> dict[str, Any]:
    """What a sampling agent says of sites (function, bytes, blocks)."""
    rows = [
        {"stack": [["app.py", 1, name]], "bytes": size, "count": count, "partial": partial, "domain": "mem"}
        for name, size, count in sites
    ]
    return {"mode": "sampler", "traced_bytes": sum(size for _, size, _ in sites), "sites": rows}


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (reading(("keep", 10 * MB, 500)), False),  # 20 KB a block: the line is right
        (reading(("keep", 10 * MB, 150_000)), True),  # 70 bytes a block: tuples, or whoever churns them
        (reading(("keep", 10 * MB, 500), partial=True), True),  # callers that are not known
        (reading(("keep", 10 * MB, 500), ("busy", 0.2 * MB, 3_000)), False),  # has no part in the growth
    ],
)
def test_small_blocks_and_cut_off_stacks_are_suspect(last: dict[str, Any], expected: bool) -> None:
    """Where Python hands memory out again by itself, or the callers are missing."""
    assert suspect(reading(("keep", 0, 0)), last) is expected


def test_without_growth_nobody_is_looked_at_again() -> None:
    """The first cycle is warm-up; what grows less than the limit asks for is named by nobody."""
    suspects = Suspects()
    for cycle, size in enumerate((50.0, 1.0, 2.0, 3.0)):
        suspects.note(1, cycle, reading(("keep", size * MB, size * 15_000)))
        suspects.note(2, cycle, {**reading(("keep", size * MB, size * 15_000)), "mode": "tracemalloc"})
    assert suspects.processes(2 * MB) == {1: 2.0 * MB}
    assert suspects.processes(3 * MB) == {}


@pytest.mark.parametrize(
    ("cycle", "cpu", "python", "seconds", "frames"),
    [
        (3600.0, 0.01, "3.11.7", 120.0, 25),
        (60.0, 0.05, "3.12.1", 15.0, 5),
        (10.0, 0.5, "3.13.0", 5.0, 1),
        (60.0, 0.15, "3.10.13", 15.0, 25),
    ],
)
def test_the_window_is_a_part_of_a_cycle_and_as_deep_as_the_target_can_bear(
    cycle: float, cpu: float, python: str, seconds: float, frames: int
) -> None:
    """A quarter of a cycle between 5 s and 2 minutes; frames by what they multiply the target's CPU with."""
    window = window_for(cycle, cpu, python)
    assert (window.seconds, window.frames) == (seconds, frames)
    assert 1.0 <= window.quiet <= seconds / 4


def _handles(*rows: tuple[str, int, bool]) -> dict[str, Any]:
    """A reading of handles: (kind, count, has somebody seen them being made)."""
    stack = [["app.py", 1, "opened"]]
    told = [{"kind": kind, "count": count, "stack": stack if seen else []} for kind, count, seen in rows]
    return {**reading(("keep", MB, 50)), "handles": told}


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (_handles(("fd", 30, False)), True),  # os.pipe, select.epoll, C code
        (_handles(("fd", 30, True)), False),  # they have a place
        (_handles(("fd", 12, False)), False),  # as many as ever
        (_handles(("task", 90, False)), False),  # none that C code makes
        ({**_handles(), "native": {"anonymous": 9 * MB}}, True),  # a C library
        ({**_handles(), "native": {"anonymous": 9 * MB}, "traced_bytes": 8 * MB}, False),  # the Python heap
        ({**_handles(), "native": {"anonymous": 9 * MB}, "malloc_free": 7 * MB}, False),  # held free by malloc
        ({**_handles(), "native": {"anonymous": 2 * MB}}, False),  # too little to count as growth
    ],
)
def test_what_grows_without_a_place_is_worth_a_look(last: dict[str, Any], expected: bool) -> None:
    """Descriptors that nobody saw being made, memory that is none of Python's: with them objects of Python may stay."""
    suspects = Suspects()
    suspects.note(1, 1, {**_handles(("fd", 10, False)), "native": {"anonymous": MB}})
    suspects.note(1, 2, last)
    assert (suspects.processes(3 * MB) != {}) is expected
