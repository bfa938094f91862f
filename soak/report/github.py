"""What soak says when it runs in a GitHub job: an annotation on each guilty line, and a summary of the job."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from soak.report import markdown
from soak.report.sarif import uri
from soak.report.words import plain

MOST_ANNOTATIONS = 10  # of one step; GitHub drops the rest without a word


def announce(report: dict[str, Any], out: TextIO, environ: Mapping[str, str] = os.environ) -> None:
    """Write annotations to `out` and the summary to $GITHUB_STEP_SUMMARY; nothing outside of a GitHub job."""
    if environ.get("GITHUB_ACTIONS") != "true":
        return
    for line in workflow_commands(report, environ.get("GITHUB_WORKSPACE")):
        out.write(line + "\n")
    summary = environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(markdown.render(report))


def workflow_commands(report: dict[str, Any], root: str | None = None) -> list[str]:
    """Workflow commands, one per finding, on the application's own line where there is one."""
    lines = []
    for finding in report["findings"][:MOST_ANNOTATIONS]:
        site = finding["sites"][0] if finding["sites"] else None
        level = "error" if finding["severity"] == "fail" else "warning"
        facts = {"title": f"soak: {finding['kind']} {finding['series'] or ''}".strip()}
        if site:
            place = site.get("application") or site.get("likely") or site
            facts = {"file": uri(place, root), "line": str(place["line"]), **facts}
        listed = ",".join(f"{name}={_property(value)}" for name, value in facts.items())
        lines.append(f"::{level} {listed}::{_data(plain(finding['message']))}")
    if not lines:
        level = "notice" if report["verdict"] == "clean" else "warning"
        said = f"{report['verdict']}: {report.get('summary', '')}"
        lines.append(f"::{level} title=soak::{_data(plain(said))}")
    return lines


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(plain(text)).replace(":", "%3A").replace(",", "%2C")
