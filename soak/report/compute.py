"""Computes the report of a stored run.

As a program (`python -m soak.report.compute`) it is the short-lived process of the analysis: numpy is loaded here and
never in the daemon.
"""

from __future__ import annotations

import ctypes
import json
import math
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from soak import __version__
from soak.analysis import stop_early, weigh
from soak.analysis.results import Decision, Evidence
from soak.report import breaches, evidence, verdict
from soak.report.accept import apply_accepts, read_accepts
from soak.report.charts import charts
from soak.report.cleanup import cleanup, cleanup_findings
from soak.report.growth import growth_findings
from soak.report.inputs import RunData, read_run
from soak.report.loadpart import load_section
from soak.report.observed import observer_part
from soak.report.series import Judged, judge_series
from soak.report.service import checks_part, faults_part, service_findings, states_part
from soak.report.stored import MODEL
from soak.report.units import moment

if TYPE_CHECKING:
    from soak_storage import Store

SCHEMA = "soak.report/1"
PR_SET_PDEATHSIG = 1  # prctl(2)
MOST_GAPS = 200  # of a report; a machine that is too busy leaves one every few seconds
_ORDER = ("growth", "oom", "peak", "ceiling", "cleanup", "errors", "latency", "cpu", "stream", "check", "target")


def compute(store: Store, run_id: int | None) -> dict[str, Any]:
    """The report.json of the contract, with more keys beside it; `run_id` None is the latest run."""
    data = read_run(store, run_id)
    load = load_section(data.load, data.of_kind("capacity"))
    found = evidence.gather(data, load)
    series = [_weighed(one, found) for one in judge_series(data)]
    checks = cleanup(data, series)
    service = {"checks": checks_part(data), "faults": faults_part(data), "states": states_part(data)}
    report: dict[str, Any] = {
        "schema": SCHEMA,
        "soak_version": __version__,
        "model": MODEL,
        "verdict": "inconclusive",
        "exit_code": 3,
        "run": run_part(data),
        "evidence": evidence.rows(found),
        "observer": observer_part(data),
        "series": [one.row for one in series],
        "findings": _sorted(
            [*_findings(data, series, checks, load), *service_findings(service["checks"], service["faults"])]
        ),
        "cleanup": checks,
        "load": load,
        **service,
        "charts": charts(data, series),
    }
    ran_out = apply_accepts(
        report["findings"], report["series"], read_accepts(data.config("accepts")), data.run.started
    )
    report["evidence"] += evidence.rows(ran_out)
    withdrawn = any(one.withdraws for one in found)
    report["verdict"] = verdict.overall(report["findings"], report["series"], data.run.status, withdrawn)
    report["exit_code"] = verdict.EXIT_CODES[report["verdict"]]
    report["summary"] = verdict.summary(report["verdict"], report)
    report["next_steps"] = verdict.next_steps(report["verdict"], report)
    finished: dict[str, Any] = finite(report)
    return finished


def _weighed(one: Judged, found: Sequence[Evidence]) -> Judged:
    """A clean verdict on a gating series is withdrawn where the evidence does not carry it."""
    if one.verdict is None or not one.row["gates"]:
        return one
    weighed = weigh(one.verdict, found)
    one.row["verdict"], one.row["warnings"] = weighed.verdict, _joined(one.row["warnings"], weighed.warnings)
    return replace(one, verdict=weighed)


def _joined(first: Sequence[str], second: Sequence[str]) -> list[str]:
    return list(dict.fromkeys([*first, *second]))


def _findings(
    data: RunData, series: Sequence[Judged], checks: Sequence[dict[str, Any]], load: dict[str, Any]
) -> list[dict[str, Any]]:
    peaks = breaches.peaks(data, series)
    leaking = {one.info.name for one in series if one.leaks}
    return [
        *growth_findings(data, series, peaks.ceilings),
        *peaks.findings,
        *breaches.ceilings_reached(data, series),
        *cleanup_findings(checks, leaking),
        *breaches.load_findings(data, load),
        *breaches.cpu_finding(data, series),
        *breaches.stream_findings(load),
        *breaches.target_findings(data),
    ]


def _sorted(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(found, key=lambda one: (one["severity"] != "fail", _ORDER.index(one["kind"])))


def run_part(data: RunData) -> dict[str, Any]:
    """What was run, when and for how long, with the gaps in it."""
    run, target = data.run, dict(data.run.target)
    config = data.config("target", "command")
    return {
        "id": run.id,
        "name": run.name,
        "status": run.status,
        "host": run.host,
        "version": run.version,
        "started": moment(run.started),
        "ended": moment(run.ended) if run.ended is not None else None,
        "cycles": data.complete,
        "cycles_planned": run.cycles_planned,
        "cycle_seconds": data.cycle_seconds,
        "quiet_seconds": run.quiet_seconds,
        "target": {
            "command": target.get("command") or config or [],
            "pids": target.get("pids") or sorted({process.pid for process in data.processes}),
            "python": target.get("python"),
        },
        "gaps": [
            {
                "from": moment(run.started + event.t0),
                "to": moment(run.started + event.t1) if event.t1 is not None else None,
                "why": str(event.detail.get("why", event.kind)),
            }
            for event in data.of_kind("gap", "outage")[:MOST_GAPS]
        ],
        "segments": [{"t": segment.t, "why": segment.why} for segment in data.segments if segment.number > 0],
        "baseline": run.baseline,
        "error": dict(run.error) if run.error else None,
    }


def finite(value: Any) -> Any:
    """`value` as JSON has it: no NaN, no infinity (null instead), no numpy numbers."""
    if isinstance(value, dict):
        return {str(key): finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    if isinstance(value, bool) or value is None or isinstance(value, str | int):
        return value
    number = float(value)
    return number if math.isfinite(number) else None


def main() -> None:
    """Answer the order on stdin (JSON: store, run, verdicts so far by cycle) with the verdict, and whether to stop.

    With `keep` in the order the report goes from here into the store, and why it could not is in the answer, if so;
    without, the report is the answer's. The store's URL may hold a password, so it comes by stdin and not on a command
    line that everybody can read.
    """
    from soak_storage import open_store

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # nothing that soak started outlives it
    order = json.load(sys.stdin)
    with open_store(order["store"], create=False) as store:
        report = compute(store, order["run"])
        kept = {"unkept": _keep(store, order, report)} if "keep" in order else {"report": report}
    stop = stop_early([_decision(one) for one in (*order["verdicts"], report["verdict"])])
    json.dump({"verdict": report["verdict"], "stop": stop, **kept}, sys.stdout, allow_nan=False)


def _keep(store: Store, order: Mapping[str, Any], report: dict[str, Any]) -> str | None:
    """Store the report so far; why not, when it cannot be stored now: its verdict counts all the same."""
    from soak_storage import StoreUnavailable
    from soak_storage.records import AnalysisRow

    store.redactor.learn(order["keep"]["secrets"])
    try:
        store.write(order["run"], [AnalysisRow(order["keep"]["t"], report, order["keep"]["cycle"])])
    except StoreUnavailable as error:
        return error.message
    return None


def _decision(verdict: str) -> Decision:
    """The verdict of a run as one on growth: what failed for another reason does not end a soak early."""
    return "leak" if verdict == "leak" else "clean" if verdict == "clean" else "inconclusive"


if __name__ == "__main__":
    main()
