"""Where growing memory sits is said only as far as it was measured, and in which process."""

from __future__ import annotations

from typing import Any

import pytest

from soak.report.formats import render
from soak_storage import Store
from soak_storage.records import ProcessRow, Record, SampleRow

from .runs import MB, Plan
from .test_compute import report_of

UNKNOWN = "memory that neither Python nor malloc accounts for"


def allocators(held: float) -> list[Record]:
    """malloc's count stands still; what it holds free grows by `held` bytes a cycle."""
    rows: list[Record] = [SampleRow(c * 60.0 + 57, "malloc", "bytes", 9.0 * MB) for c in range(8)]
    return rows + [SampleRow(c * 60.0 + 57, "malloc_free", "bytes", MB + c * held) for c in range(8)]


def processes(*growths: float) -> list[Record]:
    """rss by process, the first of which has the agent; growths are per cycle of a minute."""
    told = list(zip(((100, "main", "flask"), (200, "child", "node"), (300, "child", "")), growths, strict=False))
    rows: list[Record] = [ProcessRow(pid, 1, role, 0.0, 480.0, name=name) for (pid, role, name), _ in told]
    for (pid, role, _), growth in told:
        rows += [SampleRow(t / 2, "rss", "bytes", 20 * MB + growth * t / 120, f"{pid}:{role}") for t in range(960)]
    return rows


def growth_of(store: Store, *extra: Record) -> tuple[dict[str, Any], str]:
    """The finding of 4 MB a cycle beside a Python heap that does not grow, and the whole report as text."""
    report = report_of(store, Plan(native_growth=4 * MB, extra=extra))
    return report["findings"][0], render(report, "text")


@pytest.mark.parametrize(("held", "statement"), [(3.0, "fragmentation or allocator hold"), (0.0, UNKNOWN)])
def test_what_allocators_hold_is_measured_before_it_is_blamed(store: Store, held: float, statement: str) -> None:
    """Three of the four MB are free in malloc, or none of them: that is mmap, or an allocator of its own."""
    finding, text = growth_of(store, *allocators(held * MB))
    likely = "" if held else ": mmap, another allocator, or a process without an agent"
    assert finding["memory"] == statement
    assert finding["notes"][0] == f"It is {statement}{likely}."
    assert f"It is {statement}" in text


def test_the_process_that_grows_is_named(store: Store) -> None:
    """A child in node's hands has nearly all of it: neither the parent's Python nor its malloc is to blame."""
    finding, _ = growth_of(store, *allocators(0.0), *processes(0.1 * MB, 3.9 * MB))
    expected = f"It is {UNKNOWN}: mmap, another allocator, or a process without an agent; "
    assert finding["notes"][0] == f"{expected}98 % of it is in 200 child node, which has no agent."


def test_of_a_process_with_the_agent_nothing_more_is_said(store: Store) -> None:
    """Most of it is the parent's; without a statement the share is a sentence of its own; a single process has none."""
    finding, _ = growth_of(store, *processes(3.0 * MB, 0.5 * MB, 0.5 * MB))
    assert finding["memory"] is None
    assert finding["notes"][0] == "75 % of it is in 100 main flask."
    alone, _ = growth_of(store, *processes(4.0 * MB))
    assert not any("of it is in" in note for note in alone["notes"])
