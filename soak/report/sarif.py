"""The report as SARIF 2.1.0: alerts on the leaking lines, with fingerprints that are the same every night."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from soak.report.facts import facts_of
from soak.report.words import TITLES, frame_name, plain, site_name

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEAST_SHARE = 0.05  # of the growth: an alert for less helps nobody
MOST_ALERTS = 5  # of one finding
RULES = {
    "growth": "A resource grows above its limit from cycle to cycle.",
    "peak": "A resource reached a level above its limit.",
    "cleanup": "A resource is not back at its floor after the load stopped.",
    "errors": "More requests failed than the limit allows.",
    "latency": "Response times are above their limit.",
    "stream": "A stream broke its promises: order, duplicates or delivery.",
    "cpu": "The processor time of the high phase is above its limit.",
    "target": "The target died, or the soak could not be carried out.",
    "check": "A check of a dependency failed.",
    "ceiling": "A resource ran into what the system allows.",
    "oom": "The target was killed by its memory limit.",
}
# Viewers want a file for every alert; what has no place in the code is about a limit, and limits are written there.
NO_PLACE = {"file": "soak.toml", "line": 1}


def render(report: dict[str, Any], environ: Mapping[str, str] = os.environ) -> str:
    """SARIF as JSON; files are relative to $GITHUB_WORKSPACE where they lie in it, else to the target's folder."""
    root = environ.get("GITHUB_WORKSPACE")
    results = [result for finding in report["findings"] for result in _results(finding, root)]
    run = {
        "tool": {
            "driver": {
                "name": "soak",
                "semanticVersion": _semantic(report["soak_version"]),
                "rules": [_rule(kind) for kind in RULES],
            }
        },
        "automationDetails": {"id": f"soak/{plain(report['run']['name'])}/"},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {"executionSuccessful": report["verdict"] != "error", "startTimeUtc": report["run"]["started"]}
        ],
        "results": results,
        "properties": {"verdict": report["verdict"], "summary": plain(report.get("summary", ""))},
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1, ensure_ascii=False) + "\n"


def _semantic(version: str) -> str:
    parts = version.split("+")[0].split(".")
    return ".".join([*parts, "0", "0"][:3])


def _rule(kind: str) -> dict[str, Any]:
    return {
        "id": f"soak/{kind}",
        "name": TITLES[kind].replace(" ", "") + "AboveLimit",
        "shortDescription": {"text": RULES[kind]},
        "defaultConfiguration": {"level": "error"},
    }


def _results(finding: dict[str, Any], root: str | None) -> list[dict[str, Any]]:
    sites = [site for site in finding["sites"] if site["share"] >= LEAST_SHARE and site.get("significant", True)]
    if not sites:
        sites = finding["sites"][:1]
    if not sites:
        return [_result(finding, None, root)]
    return [_result(finding, site, root) for site in sites[:MOST_ALERTS]]


def _result(finding: dict[str, Any], site: dict[str, Any] | None, root: str | None) -> dict[str, Any]:
    kind = finding["kind"]
    # The finding's own fingerprint follows its first site, which may change places with the second from night to night.
    prints = f"{site['fingerprint']}{kind}" if site else str(finding["fingerprint"])
    result: dict[str, Any] = {
        "ruleId": f"soak/{kind}",
        "ruleIndex": list(RULES).index(kind),
        "level": "error" if finding["severity"] == "fail" else "warning",
        "message": {"text": _message(finding, site)},
        "locations": [_location(_best(site), root)],
        # GitHub compares alerts by this one name only
        "partialFingerprints": {"primaryLocationLineHash": f"{prints}:1", "soakFingerprint/v1": prints},
    }
    accepted = finding.get("accepted") or (site or {}).get("accepted")
    if accepted:
        result["suppressions"] = [{"kind": "external", "justification": plain(accepted["reason"])}]
    if site:
        result["stacks"] = [_stack(site, root)]
        result["relatedLocations"] = [_location(frame, root) for frame in site["traceback"][-5:]]
    return result


def _best(site: dict[str, Any] | None) -> dict[str, Any]:
    """Where the alert sits: the application's own line if there is one, for only that is in the repository."""
    if site is None:
        return NO_PLACE
    best: dict[str, Any] = site.get("application") or site.get("likely") or site
    return best


def _message(finding: dict[str, Any], site: dict[str, Any] | None) -> str:
    lines = [finding["message"], *facts_of(finding)]
    if site:
        lines.append(f"At {site_name(site)}, owner: {site['owner']}.")
        lines += ["Held by: " + " -> ".join(path) for path in site["held_by"][:2]]
    return "\n".join(plain(line) for line in lines)


def _location(frame: dict[str, Any], root: str | None) -> dict[str, Any]:
    place = {"uri": uri(frame, root)}
    if not frame["file"].startswith("<"):
        place["uriBaseId"] = "%SRCROOT%"
    return {
        "physicalLocation": {"artifactLocation": place, "region": {"startLine": max(1, int(frame["line"]))}},
        **({"message": {"text": plain(frame_name(frame))}} if "function" in frame else {}),
    }


def uri(frame: dict[str, Any], root: str | None) -> str:
    """A file as a relative reference: below the repository where it lies in it, else as short as it is named."""
    file = str(frame["file"])
    inside = root is not None and file.startswith(root.rstrip("/") + "/")
    name = file[len(root.rstrip("/")) + 1 :] if inside and root is not None else str(frame.get("short", file))
    return quote(name.lstrip("/"))


def _stack(site: dict[str, Any], root: str | None) -> dict[str, Any]:
    frames = [{"location": _location(frame, root)} for frame in reversed(site["traceback"])]
    return {"message": {"text": "allocated or opened here, innermost first"}, "frames": frames}
