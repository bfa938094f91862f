"""Runs of which the retention left low, mean and high of many samples: what was said of them stays as it was said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.reports.handmade import MB, STARTED
from soak.report.compute import compute
from soak.report.stored import load_or_compute
from soak_storage import Store, open_store
from soak_storage.records import AnalysisRow
from soak_storage.retention import Retention
from tests.report.runs import Plan, make_run

DAY = 86400.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """One of its own: all of it is thinned."""
    with open_store(f"sqlite:///{tmp_path}/soak.db", environ={}) as opened:
        yield opened


def thin(store: Store, run: int, *, until: float = 20 * DAY) -> None:
    """What the daemon does two weeks later, `until` so many seconds after the start."""
    Retention(store, retain=1000 * DAY).run(STARTED + until)
    assert store.thinned(run)


def test_the_report_of_a_thinned_run_is_the_one_that_was_made_of_its_samples(store: Store) -> None:
    """By whichever version of soak: after an upgrade a clean night two months ago is no less clean."""
    run = make_run(store, Plan())
    made = {**compute(store, run), "soak_version": "0.0.1", "model": 1, "summary": "as it was said"}
    del made["observer"]  # what that version did not know yet
    store.write(run, [AnalysisRow(1.0, made, None)])
    assert not store.thinned(run)
    assert load_or_compute(store, run)["summary"] != made["summary"]
    thin(store, run)
    kept = load_or_compute(store, run)
    assert kept.items() >= made.items() and kept["observer"]
    assert load_or_compute(store, run, fresh=True)["summary"] != made["summary"]


def facts(report: dict[str, Any]) -> tuple[Any, ...]:
    """What must not depend on whether every sample is still there."""
    return report["verdict"], report["evidence"], [(one["kind"], one["series"]) for one in report["findings"]]


@pytest.mark.parametrize("until", [14 * DAY + 240, 20 * DAY], ids=["half", "whole"])
@pytest.mark.parametrize(
    "plan",
    [
        Plan(),
        Plan(missing=lambda t: 120 <= t < 360),
        Plan(heap_growth=3 * MB),
    ],
    ids=["clean", "samples missing", "leak"],
)
def test_a_run_without_a_report_is_judged_by_what_the_buckets_know(store: Store, plan: Plan, until: float) -> None:
    """How many samples there were, and where its floors lie; also of one that goes on, of which a part is thinned."""
    plan.status = "completed" if until == 20 * DAY else None
    run = make_run(store, plan)
    before = facts(compute(store, run))
    thin(store, run, until=until)
    assert facts(compute(store, run)) == before
