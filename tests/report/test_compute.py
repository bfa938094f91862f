"""The computed report of runs whose truth is known, read through the real store: its verdict and what that rests on."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import soak.report
from soak.report.compute import compute, main
from soak.report.formats import render
from soak.report.stored import load_or_compute
from soak_storage import Store
from soak_storage.records import AnalysisRow, EventRow, LoadCycleRow, SampleRow, SegmentRow

from .runs import MB, Plan, make_run

SCHEMA = json.loads((Path(soak.report.__file__).parent / "report.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


@pytest.fixture(autouse=True)
def outlive(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a program it has the kernel end it with whoever started it: the process of the tests must not end so."""
    monkeypatch.setattr("soak.report.compute.PR_SET_PDEATHSIG", 0)  # there is no such option: nothing happens


def report_of(store: Store, plan: Plan) -> dict[str, Any]:
    report = compute(store, make_run(store, plan))
    VALIDATOR.validate(report)
    json.dumps(report, allow_nan=False)
    return report


def test_clean_run_says_the_smallest_growth_it_could_have_seen(store: Store) -> None:
    """Nothing grows: clean, exit 0, and each deciding series has a detectable growth."""
    report = report_of(store, Plan())
    assert (report["verdict"], report["exit_code"], report["findings"]) == ("clean", 0, [])
    gating = [row for row in report["series"] if row["gates"]]
    assert {row["name"] for row in gating} >= {"rss", "python_heap", "fds", "sockets", "threads", "tasks", "children"}
    assert all(row["detectable_per_hour"] > 0 for row in gating)
    assert "would have been seen" in report["summary"]


def test_short_run_says_how_many_more_cycles(store: Store) -> None:
    """Two cycles decide nothing: inconclusive, exit 3, with the number of cycles that would."""
    report = report_of(store, Plan(cycles=2))
    assert (report["verdict"], report["exit_code"]) == ("inconclusive", 3)
    assert "2 more cycles would decide" in report["summary"]
    assert "--cycles 4" in report["next_steps"][0]


def test_growth_at_its_limit_is_told_of_a_smaller_limit(store: Store) -> None:
    """No number of cycles decides what grows by just the limit; another limit does, and the report names one."""
    report = report_of(store, Plan(native_growth=1.008 * MB))
    rss = next(row for row in report["series"] if row["name"] == "rss")
    assert (report["verdict"], rss["cycles_needed"]) == ("inconclusive", None)
    assert [step for step in report["next_steps"] if "200B/request" in step and step.startswith("rss grows")]


def test_interrupted_run_is_judged_on_what_is_there(store: Store) -> None:
    """Six of ten cycles before the kill: the leak stands, and the report says that the run was cut off."""
    report = report_of(store, Plan(heap_growth=3 * MB, cycles=10, done=6, status="interrupted"))
    assert report["verdict"] == "leak"
    assert (report["run"]["status"], report["run"]["cycles"]) == ("interrupted", 6)
    assert "interrupted" in [one["code"] for one in report["evidence"]]


def test_restart_begins_a_segment_and_withdraws_clean(store: Store) -> None:
    """A leak seen over a restart is a leak; a clean verdict over an unplanned one is not given."""
    restart = [SegmentRow(1, 240.0, "restart")]
    leaky = report_of(store, Plan(heap_growth=3 * MB, cycles=10, restart_at=240.0, extra=restart))
    assert leaky["verdict"] == "leak"
    clean = report_of(store, Plan(cycles=10, extra=restart))
    assert clean["verdict"] == "inconclusive"
    assert "target_restarted" in [one["code"] for one in clean["evidence"]]


@pytest.mark.parametrize(
    ("detail", "verdict"),
    [
        ({"fault": "restart", "process": "target", "why": ""}, "clean"),
        ({"fault": "kill", "process": "target", "why": ""}, "clean"),
        ({"fault": "kill", "process": "worker", "why": ""}, "inconclusive"),
        ({"fault": "restart", "process": "target", "why": "not ours"}, "inconclusive"),
        ({"fault": "stop", "process": "target", "why": ""}, "inconclusive"),
    ],
)
def test_restart_by_a_fault_withdraws_nothing(store: Store, detail: dict[str, object], verdict: str) -> None:
    """Planned is one that ended the whole target, and was carried out."""
    fault = EventRow(
        "fault", 235.0, 240.0, {**detail, "number": 0, "pids": [], "lasted": 1.0, "recovered": 4.0}, key="0@3"
    )
    report = report_of(store, Plan(cycles=10, extra=[SegmentRow(1, 240.0, "restart"), fault]))
    assert report["verdict"] == verdict and "target_restarted" in [one["code"] for one in report["evidence"]]


def test_load_that_did_not_land_withdraws_clean(store: Store) -> None:
    """Only three requests in ten reached the target: nothing was soaked, nothing is clean."""
    report = report_of(store, Plan(landed_share=0.3))
    assert report["verdict"] == "inconclusive"
    assert "load_not_landed" in [one["code"] for one in report["evidence"]]


def test_series_that_may_not_be_read_decide_nothing_and_are_named_with_the_mend(store: Store) -> None:
    """Another user's target: the rest is judged, and no number of cycles would decide what is refused."""
    refused = [SampleRow(float(t), "tmp_files", "count", None, gates=True) for t in range(480)]
    told = EventRow("refused", 0.0, None, {"series": ["tmp_files"], "why": "x"}, key="target")
    report = compute(store, make_run(store, Plan(extra=[*refused, told])))
    assert report["verdict"] == "clean"
    (row,) = [row for row in report["series"] if row["name"] == "tmp_files"]
    assert (row["samples"], row["gates"], row["warnings"], row["cycles_needed"]) == (0, False, ["refused"], None)
    (said,) = [one for one in report["evidence"] if one["code"] == "series_refused"]
    assert "tmp_files" in said["message"] and "CAP_SYS_PTRACE" in said["message"]


def test_gap_is_said_and_not_filled_in(store: Store) -> None:
    """Half of the samples missing withdraw clean; the gap stands in the report with both its ends."""
    gap = EventRow("gap", 120.0, 360.0, {"why": "samples_late"})
    report = report_of(store, Plan(missing=lambda t: 120 <= t < 360, extra=[gap]))
    assert report["verdict"] == "inconclusive"
    assert report["run"]["gaps"] == [
        {"from": "2027-01-15T08:02:00Z", "to": "2027-01-15T08:06:00Z", "why": "samples_late"}
    ]


@pytest.mark.parametrize(
    ("detail", "verdict", "code", "kind"),
    [
        ({"kind": "exit", "code": 3, "why": "exited with 3"}, "error", 4, "target"),
        ({"kind": "oom", "code": 9, "why": "killed by the kernel"}, "failed", 1, "oom"),
    ],
)
def test_target_that_ended(store: Store, detail: dict[str, Any], verdict: str, code: int, kind: str) -> None:
    """A target that dies is an error; one killed by its memory limit has failed."""
    plan = Plan(
        done=2, status="failed", error={"code": "x", "message": "gone"}, extra=[EventRow("exit", 90.0, None, detail)]
    )
    report = report_of(store, plan)
    assert (report["verdict"], report["exit_code"], report["findings"][0]["kind"]) == (verdict, code, kind)


def test_leak_wins_over_a_target_that_died(store: Store) -> None:
    """The first in the contract's order wins."""
    died = EventRow("exit", 400.0, None, {"kind": "exit", "code": 1, "why": "exited with 1"})
    report = report_of(store, Plan(heap_growth=3 * MB, status="failed", extra=[died]))
    assert report["verdict"] == "leak"
    assert [finding["kind"] for finding in report["findings"]][-1] == "target"


@pytest.mark.parametrize(
    ("limits", "kind"),
    [({"errors": 0.0001}, "errors"), ({"p95": 15.0}, "latency"), ({"cpu": 0.2}, "cpu"), ({"peak_fds": 15.0}, "peak")],
)
def test_broken_limits_fail_the_run(store: Store, limits: dict[str, float], kind: str) -> None:
    """Each limit beside growth makes a finding of its kind and the verdict failed."""
    plan = Plan()
    plan.limits.update(limits)
    report = report_of(store, plan)
    assert (report["verdict"], report["exit_code"]) == ("failed", 1)
    assert [finding["kind"] for finding in report["findings"]] == [kind]


def test_streams_that_break_their_promises_fail_the_run(store: Store) -> None:
    """A validation that the user asked for did not hold in 3 of 40 streams."""
    errors = {"not_order": 3, "status_500": 1}
    checks = {"streams": 40, "messages": 4000, "out_of_order": 7, "duplicates": 0}
    row = LoadCycleRow(0, "events", 40, 40, 40, 4, 0, errors, checks=checks)
    report = report_of(store, Plan(extra=[row]))
    assert (report["verdict"], [one["kind"] for one in report["findings"]]) == ("failed", ["stream"])
    assert report["findings"][0]["message"] == ("Of 40 streams of events: out of order in 3 (messages: out of order 7)")


def test_ceiling_of_a_process_is_compared_with_that_process(store: Store) -> None:
    """Two workers with 15 descriptors each do not run into a ceiling of 20, although their sum would."""
    plan = Plan()
    plan.target["ceilings"] = {"fds": 20}
    rows = [SampleRow(t / 2, "fds", "count", 15.0, f"{pid}:worker") for t in range(960) for pid in (8, 9)]
    plan.extra = [*rows, *(SampleRow(t / 2, "fds", "count", 30.0) for t in range(960))]
    assert report_of(store, plan)["findings"] == []
    plan.extra = [
        *rows,
        SampleRow(480.0, "fds", "count", 20.0, "8:worker"),
        SampleRow(480.5, "fds", "count", 20.0, "8:worker"),
    ]
    assert [one["message"] for one in report_of(store, plan)["findings"]] == [
        "fds of 8:worker ran into its ceiling of 20"
    ]


def test_ceiling_of_the_system_is_a_finding(store: Store) -> None:
    """Descriptors that reach RLIMIT_NOFILE are a finding, whatever their slope became."""
    plan = Plan()
    plan.target["ceilings"] = {"fds": 20}
    assert [one["kind"] for one in report_of(store, plan)["findings"]] == ["ceiling"]


def test_load_section_adds_up_and_has_percentiles(store: Store) -> None:
    """Sums over cycles and percentiles of merged histograms: 10 to 29.9 ms, evenly."""
    load = report_of(store, Plan())["load"]
    assert (load["due"], load["landed"], load["errors"]) == (8000, 8000, 8)
    assert load["latency_ms"]["p50"] == pytest.approx(20.0, rel=0.02)
    assert load["scenarios"][0]["name"] == "list"


def test_stored_report_is_used_only_when_it_is_final(store: Store) -> None:
    """What was computed while the run went on is judged again; what was computed at its end is taken as it is."""
    run_id = make_run(store, Plan(status=None))
    half = compute(store, run_id)
    store.write(run_id, [AnalysisRow(1.0, {**half, "mark": True}, 3)])
    store.end_run(run_id, "interrupted", 1_800_000_500.0)
    assert "mark" not in load_or_compute(store, run_id)
    final = compute(store, run_id)
    store.write(run_id, [AnalysisRow(2.0, {**final, "mark": True}, None)])
    assert load_or_compute(store, run_id)["mark"] is True
    assert "mark" not in load_or_compute(store, run_id, fresh=True)


def test_program_prints_the_report_as_json(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The short-lived analysis process reads an order from stdin and answers with the report, and whether to stop."""
    run_id = make_run(store, Plan())
    order = {"store": store.url, "run": run_id, "verdicts": ["inconclusive"] * 7}
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(order)))
    main()
    answer = json.loads(capsys.readouterr().out)
    VALIDATOR.validate(answer["report"])
    assert (answer["verdict"], answer["stop"]) == ("clean", True)  # clean after eight cycles
    assert store.latest_analysis(run_id) is None  # the last report is put down by soak itself


def test_a_report_that_cannot_be_stored_costs_nothing_but_itself(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else writes for longer than anybody waits: the verdict is there, and why its report is not."""
    run_id = make_run(store, Plan())
    keep = {"t": 480.0, "cycle": 7, "secrets": []}
    order = {"store": store.url, "run": run_id, "verdicts": ["inconclusive"] * 7, "keep": keep}
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(order)))
    monkeypatch.setattr("soak_storage.engine.BUSY_SECONDS", 0.05)
    with store.writing():
        main()
    answer = json.loads(capsys.readouterr().out)
    assert answer["verdict"] == "clean" and "report" not in answer
    assert "locked" in answer["unkept"]
    assert store.latest_analysis(run_id) is None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda report: report.pop("run"),
        lambda report: report.update(verdict="fine"),
        lambda report: report.update(exit_code=0),
        lambda report: report["series"][0].update(growth_per_hour="much"),
        lambda report: report["findings"][0]["sites"][0].pop("traceback"),
        lambda report: report["findings"][0]["sites"][0].update(owner="somebody"),
        lambda report: report["run"].update(started="yesterday"),
    ],
)
def test_schema_refuses_wrong_reports(store: Store, spoil: Callable[[dict[str, Any]], object]) -> None:
    """The shipped schema is strict enough to notice a missing key, a wrong type and a verdict without its exit code."""
    report = report_of(store, Plan(heap_growth=3 * MB))
    spoil(report)
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(report)


def test_what_does_not_come_back_in_time_is_a_cleanup_failure(store: Store) -> None:
    """Eight threads outlive the load by 7 s of a quiet phase of 9 s; 2 s are granted: failed, and named."""

    def threads(t: float) -> float:
        phase = t % 60.0
        return 12.0 if 5.0 <= phase < 58.0 else 4.0

    plan = Plan(extra=[SampleRow(step / 2, "threads", "count", threads(step / 2)) for step in range(960)])
    plan.limits["cleanup"] = {"grace": 2.0}
    report = report_of(store, plan)
    assert (report["verdict"], report["exit_code"]) == ("failed", 1)
    assert [(one["kind"], one["series"]) for one in report["findings"]] == [("cleanup", "threads")]
    assert "8 more remain" in report["findings"][0]["message"]
    checks = {(one["series"], one["when"]): one["verdict"] for one in report["cleanup"]}
    assert checks["threads", "within grace"] == "fail" and checks["fds", "within grace"] == "pass"
    assert "not back: threads" in " ".join(render(report, "text").split())


def test_a_run_that_was_never_sampled_says_so(store: Store) -> None:
    """A target that did not start: error, with the message that the run was closed with."""
    plan = Plan(done=0, status="failed", error={"code": "target_not_started", "message": "no such file: api"})
    report = report_of(store, plan)
    assert (report["verdict"], report["exit_code"]) == ("error", 4)
    assert "no such file: api" in report["summary"]


def test_cleanup_after_faulted_requests_is_a_check_of_its_own(store: Store) -> None:
    """Descriptors stay behind only in cycles in which requests were broken on purpose: that check fails."""

    def descriptors(t: float) -> float:
        cycle, phase = divmod(t, 60.0)
        return 20.0 if 5.0 <= phase < (58.0 if cycle % 2 else 51.0) else 12.0

    rows = [SampleRow(step / 2, "fds", "count", descriptors(step / 2)) for step in range(1200)]
    faults = [
        LoadCycleRow(cycle, "broken", 9, 9, 0, 0, 0, detail={"faulted": {"reset": 9}}) for cycle in range(1, 10, 2)
    ]
    plan = Plan(cycles=10, extra=[*rows, *faults])
    plan.limits["cleanup"] = {"grace": 2.0}
    report = report_of(store, plan)
    checks = {one["when"]: one["verdict"] for one in report["cleanup"] if one["series"] == "fds"}
    assert checks["after faults"] == "fail"
    assert [one["series"] for one in report["findings"]] == ["fds"]
    assert "after faults" not in {one["when"] for one in report_of(store, Plan())["cleanup"]}
