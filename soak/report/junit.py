"""The report as JUnit XML: one test per deciding series, one per cleanup check, one per other limit that was broken."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

from soak.report.facts import finding_lines
from soak.report.units import amount, interval, rate
from soak.report.words import TITLES, plain

_GROUPS = ("growth", "cleanup", "limits")


def render(report: dict[str, Any]) -> str:
    """XML after the schema of the Jenkins xunit plugin; inconclusive is `skipped`, what could not be run `error`."""
    run = report["run"]
    cases = {"growth": _growth(report), "cleanup": _cleanup(report), "limits": _limits(report)}
    root = ET.Element("testsuites", name=f"soak {plain(run['name'])}")
    totals = {"tests": 0, "failures": 0, "errors": 0}
    for group in _GROUPS:
        suite = _suite(report, group, cases[group])
        root.append(suite)
        for name in totals:
            totals[name] += int(suite.get(name, "0"))
    for name, count in totals.items():
        root.set(name, str(count))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(report: dict[str, Any], group: str, cases: list[ET.Element]) -> ET.Element:
    run = report["run"]
    counts = {f"{tag}s": sum(case.find(tag) is not None for case in cases) for tag in ("failure", "error")}
    skipped = sum(case.find("skipped") is not None for case in cases)
    suite = ET.Element(
        "testsuite",
        name=f"{group}",
        package=f"soak.{plain(run['name'])}",
        tests=str(len(cases)),
        failures=str(counts["failures"]),
        errors=str(counts["errors"]),
        skipped=str(skipped),
        time=f"{run['cycles'] * run['cycle_seconds']:.3f}",
        timestamp=run["started"].removesuffix("Z"),
        hostname=plain(run["host"]),
    )
    properties = ET.SubElement(suite, "properties")
    facts = {"run": run["id"], "verdict": report["verdict"], "version": run["version"] or "", "cycles": run["cycles"]}
    for name, value in facts.items():
        ET.SubElement(properties, "property", name=name, value=plain(value))
    suite.extend(cases)
    return suite


def _case(report: dict[str, Any], group: str, name: str) -> ET.Element:
    run = report["run"]
    seconds = f"{run['cycles'] * run['cycle_seconds']:.3f}"
    return ET.Element("testcase", name=plain(name), classname=f"soak.{plain(run['name'])}.{group}", time=seconds)


def _say(case: ET.Element, tag: str, kind: str, message: str, body: str = "") -> None:
    element = ET.SubElement(case, tag, type=kind, message=plain(message))
    element.text = "\n".join(plain(line) for line in body.splitlines()) or None


def _growth(report: dict[str, Any]) -> list[ET.Element]:
    cases = []
    for row in report["series"]:
        if not row["gates"]:
            continue
        case = _case(report, "growth", row["name"])
        finding = next((one for one in report["findings"] if row["name"] in _names(one)), None)
        numbers = f"{rate(row['growth_per_hour'], row['unit'])} (95 %: {interval(row['ci95'], row['unit'])}/h)"
        if row["verdict"] == "leak" and not row.get("accepted"):
            body = "\n".join(finding_lines(finding)) if finding else ""
            _say(case, "failure", "leak", finding["message"] if finding else numbers, body)
        elif row["verdict"] == "inconclusive":
            needed = f"; {row['cycles_needed']} more cycles would decide" if row["cycles_needed"] else ""
            _say(case, "skipped", "inconclusive", f"not decided: {numbers}{needed}")
        out = ET.SubElement(case, "system-out")
        out.text = f"growth {numbers}, limit {amount(row['limit_per_hour'], row['unit'])}/h, "
        out.text += f"would have seen {amount(row['detectable_per_hour'], row['unit'])}/h"
        cases.append(case)
    return cases


def _names(finding: dict[str, Any]) -> list[str]:
    return [finding["series"], *finding.get("also", [])] if finding["kind"] == "growth" else []


def _cleanup(report: dict[str, Any]) -> list[ET.Element]:
    cases = []
    for check in report.get("cleanup", []):
        case = _case(report, "cleanup", f"{check['series']} {check['when']}")
        left = f"{amount(check['residual'], check['unit'])} more than before remain"
        if check["verdict"] == "fail" and not check["gates"]:
            _say(case, "skipped", "told", f"not back, which is no limit here: {left}")
        elif check["verdict"] == "fail":
            _say(case, "failure", "cleanup", f"not back at its floor: {left}")
        elif check["verdict"] == "inconclusive":
            _say(case, "skipped", "inconclusive", "not decided")
        cases.append(case)
    return cases


def _limits(report: dict[str, Any]) -> list[ET.Element]:
    """A test for the run itself, and one for each finding that is neither growth nor cleanup."""
    whole = _case(report, "limits", "the soak was carried out")
    if report["verdict"] == "error":
        _say(whole, "error", "error", report.get("summary", "could not be carried out"))
    cases = [whole]
    for finding in report["findings"]:
        if finding["kind"] in ("growth", "cleanup") or (finding["kind"] == "target" and report["verdict"] == "error"):
            continue
        title = TITLES.get(finding["kind"], finding["kind"])
        case = _case(report, "limits", f"{title} {finding['series'] or ''}".strip())
        if finding["severity"] == "fail":
            _say(case, "failure", finding["kind"], finding["message"])
        cases.append(case)
    return cases
