"""Holds what a real soak stored against the reference of reports: there is nothing in it that cannot be looked up."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from tests.docs.tables import column, table

REPORTS = "docs/reference-reports.md"


def check_export(folder: Path) -> None:
    """Series with their units, kinds of events, and every code of the reports that `soak db export` wrote."""
    series = {row["series"]: row for row in table(REPORTS, "## Series")}
    for row in rows(folder / "samples.csv"):
        name = documented(row["series"])
        assert name in series and series[name]["unit"] == row["unit"], row
    kinds = {row["kind"] for row in rows(folder / "events.csv")}
    assert kinds <= set(column(REPORTS, "## Events", "kind")), kinds
    reports = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("report-*.json")]
    assert reports
    evidence = set(column(REPORTS, "## Evidence", "code"))
    warnings = set(column(REPORTS, "## Warnings of a series", "code"))
    for report in reports:
        assert report["verdict"] in column(REPORTS, "## Verdicts", "verdict")
        assert {one["code"] for one in report["evidence"]} <= evidence, report["evidence"]
        assert {one["kind"] for one in report["findings"]} <= set(column(REPORTS, "## Findings", "kind"))
        for row in report["series"]:
            known = series[documented(row["name"])]
            assert not row["gates"] or (known["gates"], row["process"]) == ("yes", "total"), row
            assert set(row["warnings"]) <= warnings | evidence, row


def documented(name: str) -> str:
    """fds.file stands as fds.* in the reference."""
    return f"{name.partition('.')[0]}.*" if "." in name else name


def rows(path: Path) -> list[dict[str, str]]:
    """A table as it was exported."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
