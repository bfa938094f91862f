"""A finding in words, for every format: what else is known of the growth, of each place, and of what has none."""

from __future__ import annotations

from typing import Any

from soak.report.owner import Frame, called, is_standard
from soak.report.units import duration, rate, share
from soak.report.words import (
    BESIDE,
    LIMIT_NAMES,
    SPREAD_BELOW,
    frame_name,
    has_share,
    kept_rate,
    plain,
    site_name,
)

SITES_SHOWN = 5
TRUNK_SHOWN = 3
LEAST_SHARE = 0.01  # of the growth: less is not shown unasked
CALLERS_SHOWN = 3


def head_facts(run: dict[str, Any]) -> list[str]:
    """Which run it was, when, how long, of what."""
    cycles = f"{run['cycles']} of {run['cycles_planned']}" if run["cycles_planned"] else str(run["cycles"])
    return [
        f"run {run['id']} on {plain(run['host'])}",
        run["started"].replace("T", " ").replace("Z", " UTC"),
        f"{cycles} cycles of {duration(run['cycle_seconds'])}",
        *([f"Python {run['target']['python']}"] if run["target"].get("python") else []),
        *([f"version {plain(run['version'])[:12]}"] if run.get("version") else []),
        *([run["status"]] if run["status"] != "completed" else []),
    ]


def shown_sites(finding: dict[str, Any]) -> list[dict[str, Any]]:
    """The first site, and what else has a part in the growth that is worth a person's time."""
    rest = finding["sites"][1:SITES_SHOWN]
    worth = [site for site in rest if site["share"] >= LEAST_SHARE or not has_share(site)]
    return [*finding["sites"][:1], *worth]


def facts_of(finding: dict[str, Any]) -> list[str]:
    """What else is known of the growth: per cycle, per request, when it will matter, where it sits."""
    if finding["kind"] != "growth":
        return []
    unit = finding["unit"]
    per = [rate(finding.get("growth_per_cycle"), unit, "cycle")]
    if finding.get("growth_per_request"):
        per.append(rate(finding["growth_per_request"], unit, "request"))
    lines = [", ".join(per) + (f"; with it: {', '.join(finding['also'])}" if finding.get("also") else "")]
    when = finding.get("time_to_limit_hours")
    if when and when[0] is not None:
        latest = f" to {duration(when[1] * 3600)}" if when[1] is not None else " or later"
        name = LIMIT_NAMES.get(finding.get("limit_reached") or "", finding.get("limit_reached"))
        lines.append(f"Reaches {name} in {duration(when[0] * 3600)}{latest} under this load.")
    return [*lines, *_trunk(finding), *(plain(note) for note in finding.get("notes", []))]


def _trunk(finding: dict[str, Any]) -> list[str]:
    """Where growth that many places share comes through, the last frames of the way that most of it takes."""
    trunk, sites = finding.get("trunk", []), finding["sites"]
    if len(trunk) < 2 or not sites or sites[0]["share"] > SPREAD_BELOW:
        return []
    way = " -> ".join(plain(frame_name(frame)) for frame in trunk[-TRUNK_SHOWN:])
    return [f"{share(trunk[-1]['share'])} of what has a place comes through {way}."]


def site_facts(site: dict[str, Any], unit: str) -> list[str]:
    """What is known of a place: whose it is, how many blocks, types, holders, callers."""
    facts = [site["owner"]]
    if site.get("beside"):
        facts.append(BESIDE)
    elif unit == "bytes" and (site.get("count_per_hour") or 0.0) >= 1.0:
        facts.append(f"{rate(site['count_per_hour'], 'count')} blocks")
    if site.get("confirmed_share") is not None and not site.get("beside"):
        facts.append(f"{share(site['confirmed_share'])} of what was kept under tracemalloc")
    if site.get("bounded"):
        facts.append("sheds its old allocations, as a cache does")
    lines = ["; ".join(facts)]
    if site["types"]:
        types = (f"{one['type']} {rate(one['count_per_hour'], 'count')}" for one in site["types"][:4])
        lines.append("types: " + ", ".join(types))
    lines += ["held by: " + " -> ".join(path) for path in site["held_by"][:2]]
    callers = callers_of(site)
    if callers:
        shown = callers[::-1][:CALLERS_SHOWN]
        lines += [f"called from {caller}" for caller in shown]
        further = _further(site, callers)
        if further and further in callers and further not in shown:
            lines.append(f"      … from {further}")
    elif site["partial"]:
        lines.append("callers unknown: one frame was recorded")
    return lines


def callers_of(site: dict[str, Any]) -> list[str]:
    """The frames that lead to the one a site is named by, outermost first, without an event loop's.

    Those of the standard library stand there only where there are no others.
    """
    shorts = {frame["file"]: frame["short"] for frame in site["traceback"]}
    stack = called([_key(frame) for frame in site["traceback"]])
    named = _key(site.get("likely") or site["traceback"][-1])
    callers = stack[: len(stack) - 1 - stack[::-1].index(named)] if named in stack else stack[:-1]
    telling = [frame for frame in callers if not is_standard(frame[0])]
    return [f"{shorts[file]}:{line} {function}" for file, line, function in telling or callers]


def _key(frame: dict[str, Any]) -> Frame:
    return frame["file"], frame["line"], frame["function"]


def _further(site: dict[str, Any], callers: list[str]) -> str | None:
    """The caller to go to next: the application's; where it is not in the stack, the nearest of another package."""
    if site.get("application"):
        return frame_name(site["application"])
    package = (site.get("likely") or site)["short"].split("/")[0]
    return next((caller for caller in reversed(callers) if caller.split("/")[0] != package), None)


def finding_lines(finding: dict[str, Any]) -> list[str]:
    """A finding as plain lines, for formats that have room for text only."""
    lines = facts_of(finding)
    for site in shown_sites(finding):
        part = f"{share(site['share'])}  {rate(site['growth_per_hour'], finding['unit'])}"
        lines.append(f"{site_name(site)}  {part if has_share(site) else kept_rate(site)}")
        lines += [f"    {fact}" for fact in site_facts(site, finding["unit"])]
    return [*lines, *unexplained(finding)]


def unexplained(finding: dict[str, Any]) -> list[str]:
    """What is said of growth without places, or of the rest."""
    if finding["kind"] != "growth":
        return []
    if finding.get("no_sites"):
        return [finding["no_sites"]]
    rest = finding["unexplained_share"]
    return [f"{share(rest)} is unexplained: no single place grows for certain."] if rest and rest >= 0.005 else []
