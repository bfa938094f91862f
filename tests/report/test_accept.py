"""The accept list: known findings do not fail the run, until their last day."""

from __future__ import annotations

from typing import Any

import pytest

from soak.report.compute import compute
from soak.report.formats import render
from soak_storage import Store

from .runs import CWD, MB, Plan, make_run

# Hand-made runs start on 2027-01-15.
PEAK = {"value": 4 * 1024 * MB, "relative": False}


def judged(store: Store, accepts: list[dict[str, Any]], **facts: Any) -> dict[str, Any]:
    """The report of a leaky run with this accept list; its peak limit is out of the way."""
    plan = Plan(heap_growth=3 * MB, **facts)
    plan.limits["peak"] = PEAK
    return compute(store, make_run(store, plan, config={"accepts": accepts}))


@pytest.fixture(scope="module")
def known(store: Store) -> dict[str, Any]:
    """The finding that is to be accepted."""
    finding: dict[str, Any] = judged(store, [])["findings"][0]
    return finding


@pytest.mark.parametrize("of", ["finding", "site", "file", "pattern"])
def test_accepted_finding_is_shown_and_does_not_fail(store: Store, known: dict[str, Any], of: str) -> None:
    """By fingerprint of the finding or of its site, by file or pattern: clean, with the reason in every format."""
    what = {
        "finding": {"fingerprint": known["fingerprint"]},
        "site": {"fingerprint": known["sites"][0]["fingerprint"]},
        "file": {"file": f"{CWD}/app.py"},
        "pattern": {"file": "app*"},
    }[of]
    report = judged(store, [{**what, "reason": "ticket 812", "until": "2027-01-31"}])
    assert (report["verdict"], report["exit_code"]) == ("clean", 0)
    assert report["findings"][0]["severity"] == "warn"
    assert report["findings"][0]["accepted"] == {"reason": "ticket 812", "until": "2027-01-31"}
    assert "accepted" in render(report, "text")
    for form in ("markdown", "html", "sarif"):
        assert "ticket 812" in render(report, form)
    assert "<failure" not in render(report, "junit")


def test_last_day_still_counts_and_the_day_after_does_not(store: Store, known: dict[str, Any]) -> None:
    """The date is enforced: what ran out fails the run again, and that is said."""
    entry = {"fingerprint": known["fingerprint"], "reason": "ticket 812"}
    assert judged(store, [{**entry, "until": "2027-01-15"}])["verdict"] == "clean"
    late = judged(store, [{**entry, "until": "2027-01-14"}])
    assert late["verdict"] == "leak"
    assert any("ticket 812" in one["message"] and "2027-01-14" in one["message"] for one in late["evidence"])


def test_accepting_one_site_does_not_hide_another(store: Store) -> None:
    """An accepted line explains little of the growth: the rest is above the limit and fails."""
    report = judged(store, [{"file": "render*", "reason": "elsewhere", "until": "2027-01-31"}])
    assert report["verdict"] == "leak"
