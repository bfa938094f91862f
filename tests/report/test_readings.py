"""Troughs without a reading of the agent, and the text for a narrow terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from soak.report.compute import compute
from soak.report.text import render_text
from soak_storage import Store
from soak_storage.records import EventRow

from .runs import MB, Plan, make_run


@pytest.mark.parametrize(("missing", "weakens"), [(1, False), (3, True)])
def test_missing_readings_are_evidence(store: Store, missing: int, weakens: bool) -> None:
    """One of 16 troughs is said, three weaken a clean verdict; two processes silent in one trough are one."""
    gaps = [
        EventRow("reading_gap", 60.0 * cycle + 55.0, 60.0 * cycle + 55.0, {"why": "agent_silent", "process": process})
        for cycle in range(missing)
        for process in ("1:main", "2:worker")
    ]
    report = compute(store, make_run(store, Plan(cycles=16, extra=gaps)))
    (evidence,) = [one for one in report["evidence"] if one["code"] == "readings_missing"]
    assert f"no reading in {missing} of 16 troughs" in evidence["message"] and evidence["weakens"] == weakens


def test_an_agent_that_never_gave_a_reading_is_not_called_missing(store: Store) -> None:
    """It was there, and said why it could not: that stands beside the growth and among the evidence."""
    detail = {"why": "agent_silent", "process": "1:main", "detail": "MemoryError: no room"}
    gaps = [EventRow("reading_gap", t, t, detail) for t in (55.0 + 60.0 * cycle for cycle in range(8))]
    report = compute(store, make_run(store, Plan(mode="off", native_growth=3 * MB, extra=gaps)))
    (growth,) = [one for one in report["findings"] if one["kind"] == "growth"]
    assert growth["no_sites"].startswith("The agent in the target gave no reading (MemoryError: no room)")
    (evidence,) = [one for one in report["evidence"] if one["code"] == "readings_missing"]
    assert "(MemoryError: no room)" in evidence["message"]


def test_text_fits_into_fifty_columns(store: Store) -> None:
    """The table of series keeps name, growth, limit and verdict whole, and lets the rest go."""
    report = compute(store, make_run(store, Plan(heap_growth=3 * MB, fd_growth=2)))
    out = io.StringIO()
    render_text(report, Console(file=out, width=50))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 50
    (heap,) = [line.split() for line in lines if line.startswith("python_heap")]
    assert heap[-1] == "leak" and heap[1].startswith("+1") and "…" not in " ".join(heap)
