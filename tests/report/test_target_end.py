"""How a target ended, what it was killed for, and workers that were replaced."""

from __future__ import annotations

import pytest

from soak.report.compute import compute
from soak_storage import Store
from soak_storage.records import EventRow, ProcessRow

from .runs import Plan, make_run

EXIT = {"kind": "exit", "code": 7, "message": "exit code 7", "cpu": 0.1, "max_rss": 1}  # as soak.launch tells it


def test_the_words_of_the_exit_are_in_the_finding(store: Store) -> None:
    """What the launcher said of the end is what the report says."""
    plan = Plan(done=2, status="failed", extra=[EventRow("exit", 90.0, None, EXIT)])
    report = compute(store, make_run(store, plan))
    assert report["findings"][0]["message"] == "The target died in cycle 2: exit code 7"


@pytest.mark.parametrize(("ended", "severity", "verdict"), [(199.0, "fail", "failed"), (480.0, "warn", "clean")])
def test_a_worker_killed_for_memory_is_a_finding(store: Store, ended: float, severity: str, verdict: str) -> None:
    """A kill while a process of the target went has failed; one that nobody of it can be told to be is a warning."""
    processes = [ProcessRow(1, 1, "main", 0.0, 480.0), ProcessRow(2, 2, "worker", 0.0, ended)]
    report = compute(store, make_run(store, Plan(extra=[*processes, EventRow("oom", 200.0, None, {"kills": 1})])))
    (finding,) = [one for one in report["findings"] if one["kind"] == "oom"]
    assert (finding["severity"], report["verdict"]) == (severity, verdict)
    assert "cycle 4" in finding["message"]


def test_replaced_workers_weaken_the_evidence(store: Store) -> None:
    """Growth that ends with each worker is hidden, and the report says so."""
    events = [EventRow("recycled", t, None, {"lived_s": 120.0}) for t in (120.0, 240.0)]
    report = compute(store, make_run(store, Plan(extra=events)))
    (evidence,) = [one for one in report["evidence"] if one["code"] == "workers_recycled"]
    assert evidence["weakens"]
    assert "2 times (after 120 s, typically)" in evidence["message"]


@pytest.mark.parametrize(("planned", "words"), [(2, "only 2 cycles ran"), (8, "only 2 of 8 cycles ran")])
def test_too_few_cycles_are_not_called_a_part_of_themselves(store: Store, planned: int, words: str) -> None:
    """Two of two is not "only 2 of 2"."""
    report = compute(store, make_run(store, Plan(cycles=planned, done=2)))
    assert words in next(one["message"] for one in report["evidence"] if one["code"] == "too_few_cycles")
