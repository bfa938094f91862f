"""Checks, faults and states in the report: uptime, recovery, time in each state."""

from __future__ import annotations

import io
import json
from pathlib import Path

import jsonschema
import pytest
from rich.console import Console

import soak.report
from soak.report.compute import compute
from soak.report.formats import render
from soak.report.text import render_text
from soak_storage import Store
from soak_storage.records import EventRow, Record

from .runs import Plan, make_run

SCHEMA = json.loads((Path(soak.report.__file__).parent / "report.schema.json").read_text())


def check(t0: float, t1: float | None, state: str, why: str = "") -> EventRow:
    """A period of the check `api`."""
    detail = {"name": "api", "state": state, "before": "unknown", "why": why, "asked": 48, "failed": 2}
    return EventRow("check", t0, t1, detail, key=f"api@{t0}")


def fault(cycle: int, recovered: float | None, why: str = "") -> EventRow:
    """A stop in the middle of a cycle of a minute."""
    t0 = cycle * 60.0 + 30.0
    detail = {"number": 0, "fault": "stop", "process": "target", "pids": [7], "lasted": 5.0}
    return EventRow("fault", t0, t0 + 6, {**detail, "recovered": recovered, "why": why}, key=f"0@{cycle}")


def state(t0: float, t1: float | None, name: str) -> EventRow:
    """A period of the breaker."""
    return EventRow("state", t0, t1, {"probe": "breaker", "state": name}, key=f"breaker@{t0}")


EVENTS: list[Record] = [
    check(0.0, 240.0, "healthy"),
    check(240.0, 252.0, "unhealthy", "it answered 503"),
    check(252.0, None, "healthy"),
    *(fault(cycle, recovered) for cycle, recovered in enumerate((0.2, 0.4, 3.0))),
    fault(3, None, "the run ended first"),
    state(0.0, 100.0, "closed"),
    state(100.0, 130.0, "open"),
    state(130.0, None, "closed"),
]


def test_uptime_recovery_and_states(store: Store) -> None:
    """Eight cycles of a minute: 12 of 480 s unhealthy is 97.5 %; three recoveries; one failure of 30 s in 450 s."""
    report = compute(store, make_run(store, Plan(extra=EVENTS)))
    jsonschema.Draft202012Validator(SCHEMA).validate(report)
    (found,) = report["checks"]
    assert found["uptime"] == pytest.approx(0.975) and found["times_unhealthy"] == 1
    assert (found["asked"], found["failed"], found["why"]) == (48, 2, "it answered 503")
    (done,) = report["faults"]
    assert (done["done"], done["recovered"]) == (3, 3) and done["recovery_seconds"] == {"median": 0.4, "max": 3.0}
    (breaker,) = report["states"]
    assert breaker["time_in_state"] == {"closed": 450.0, "open": 30.0}
    assert (breaker["transitions"], breaker["mtbf"], breaker["mttr"]) == (2, 450.0, 30.0)
    (warning,) = (one for one in report["findings"] if one["kind"] == "check")
    assert warning["severity"] == "warn" and "unhealthy 1 time, 12s in all (uptime 97.5 %)" in warning["message"]
    assert report["verdict"] == "clean"  # no limit was broken


def test_a_target_that_does_not_come_back_is_a_finding(store: Store) -> None:
    """It answered after one fault and not after the other within that cycle: the run fails."""
    report = compute(store, make_run(store, Plan(extra=[fault(1, 0.5), fault(2, None)])))
    (found,) = (one for one in report["findings"] if one["kind"] == "check")
    assert found["severity"] == "fail" and found["message"].endswith("1 of 2 times")
    assert report["verdict"] == "failed"


def test_people_are_told_in_a_line_each(store: Store) -> None:
    """The text has uptime, recovery and states; so have Markdown and HTML."""
    out = io.StringIO()
    report = compute(store, make_run(store, Plan(extra=EVENTS)))
    render_text(report, Console(file=out, width=100))
    text = " ".join(out.getvalue().split())
    assert "- Check api: uptime 97.5 %" in render(report, "markdown")
    assert "<li>check api: uptime 97.5 %</li>" in render(report, "html")
    assert "check api: uptime 97.5 %" in text
    assert "fault stop of target, 3 times: answered again after 0.4 s (at most 3.0)" in text
    assert "breaker: 2 transitions; closed 8m, open 30s, MTBF 8m, MTTR 30s" in text
