"""What of a report is worth an alert."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from soak_storage.alerts import Finding

_DETAIL = ("kind", "series", "unit", "growth_per_hour", "ci95", "time_to_limit_hours")


def findings_of(report: Mapping[str, Any]) -> list[Finding]:
    """The findings of a report (contract) that nobody accepted and that fail it, under their fingerprints."""
    name = report["run"]["name"]
    found = []
    for finding in report["findings"]:
        if finding.get("accepted") or finding["severity"] != "fail":
            continue
        detail = {key: finding.get(key) for key in _DETAIL}
        detail["site"] = _first_site(finding)
        detail |= {"run": report["run"]["id"], "verdict": report["verdict"]}
        found.append(Finding(name, finding["fingerprint"], finding["severity"], finding["message"], detail))
    return found


def _first_site(finding: Mapping[str, Any]) -> str | None:
    """The most guilty line, as file:line in function."""
    sites = finding.get("sites") or []
    if not sites:
        return None
    return f"{sites[0]['file']}:{sites[0]['line']} in {sites[0]['function']}"
