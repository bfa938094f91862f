"""The verdict of a run from its findings and series, in the contract's order, and what to do next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from soak.errors import EXIT_CLEAN, EXIT_ERROR, EXIT_INCONCLUSIVE, EXIT_LEAK
from soak.report.units import interval, plural, rate
from soak.report.words import SPREAD_BELOW, frame_name, meaning

MOST_WITH_NUMBERS = 2
A_HANDLE = 0.9  # growth per request, from which on each request leaves one behind
EXIT_CODES = {
    "leak": EXIT_LEAK,
    "failed": EXIT_LEAK,
    "error": EXIT_ERROR,
    "inconclusive": EXIT_INCONCLUSIVE,
    "clean": EXIT_CLEAN,
}


def overall(
    findings: Sequence[dict[str, Any]], series: Sequence[dict[str, Any]], status: str, withdrawn: bool = False
) -> str:
    """leak, failed, error, inconclusive or clean: the first that holds."""
    kinds = {finding["kind"] for finding in findings if finding["severity"] == "fail"}
    gating = [row for row in series if row["gates"]]
    if "growth" in kinds:
        return "leak"
    if kinds - {"target"}:
        return "failed"
    if "target" in kinds or status == "failed":
        return "error"
    if withdrawn or not gating or any(row["verdict"] != "clean" for row in gating if not row.get("accepted")):
        return "inconclusive"
    return "clean"


def summary(verdict: str, report: dict[str, Any]) -> str:
    """One sentence with numbers, the first line that a person reads."""
    failing = [finding for finding in report["findings"] if finding["severity"] == "fail"]
    gating = [row for row in report["series"] if row["gates"]]
    if failing:
        more = f" (and {plural(len(failing) - 1, 'more finding')})" if len(failing) > 1 else ""
        return f"{failing[0]['message']}{more}"
    if verdict == "clean":
        return f"nothing that gates grows above its limit: {ruled_out(gating)}; {detectable(gating)}"
    if verdict == "inconclusive":
        return inconclusive(gating, report["evidence"])
    return "the soak could not be carried out"


def ruled_out(gating: Sequence[dict[str, Any]]) -> str:
    """The growth that the intervals leave no room for, in memory and in counts."""
    return f"more than {_both(gating, lambda row: row['ci95'][1] if row['ci95'] else None)} is ruled out"


def detectable(gating: Sequence[dict[str, Any]]) -> str:
    """The smallest growth that would have been called a leak, in memory and in counts."""
    return f"a leak from {_both(gating, lambda row: row['detectable_per_hour'])} on would have been seen"


def _both(gating: Sequence[dict[str, Any]], value: Callable[[dict[str, Any]], float | None]) -> str:
    """The largest value among the memory series, and that among the counts."""
    sizes = [found for row in gating if row["unit"] == "bytes" and (found := value(row)) is not None]
    counts = [found for row in gating if row["unit"] != "bytes" and (found := value(row)) is not None]
    parts = [rate(max(sizes), "bytes").lstrip("+")] if sizes else []
    parts += [f"{rate(max(counts), 'count').lstrip('+')} of a count"] if counts else []
    return " and ".join(parts) or "anything"


def inconclusive(gating: Sequence[dict[str, Any]], evidence: Sequence[dict[str, Any]]) -> str:
    """What is undecided with its numbers, and how many more cycles decide it or why none do."""
    open_rows = [row for row in gating if row["verdict"] == "inconclusive" and not row.get("accepted")]
    weak = [one["message"] for one in evidence if one["weakens"]]
    if not open_rows:
        return "; ".join(weak) or "nothing was sampled"
    text = f"not decided: {', '.join(_with_numbers(row, len(open_rows)) for row in open_rows)}"
    soon = [row for row in open_rows if row["cycles_needed"]]
    if soon:
        which = "" if len(soon) == len(open_rows) else " " + ", ".join(row["name"] for row in soon)
        return f"{text}; {plural(max(row['cycles_needed'] for row in soon), 'more cycle')} would decide{which}"
    codes = {one["code"] for one in evidence}
    why = [meaning(code) for row in open_rows for code in row["warnings"] if code not in codes]
    return f"{text}; {(why or weak or ['more cycles would not decide it'])[0]}"


def _with_numbers(row: dict[str, Any], count: int) -> str:
    """The series with what is known of it, where there is room for that."""
    if count > MOST_WITH_NUMBERS or row["growth_per_hour"] is None:
        return str(row["name"])
    bounds = interval(row["ci95"], row["unit"])
    return f"{row['name']} {rate(row['growth_per_hour'], row['unit'])} ({bounds}; limit {row['limit']})"


def next_steps(verdict: str, report: dict[str, Any]) -> list[str]:
    """What to do now, most useful first."""
    run = report["run"]
    if verdict == "leak":
        return _after_leak(report)
    if verdict == "failed":
        return ["Look at the findings above; limits are in [limits] of soak.toml."]
    if verdict == "error":
        return ["Mend what the message names, then run again; the target's own output is in the run's folder."]
    if verdict == "clean":
        return [f"Keep it as a baseline: soak baseline {run['id']}"]
    needed = [row["cycles_needed"] for row in report["series"] if row["gates"] and row["cycles_needed"]]
    cycles = run["cycles"] + max(needed, default=0)
    steps = [f"Run again with more cycles: soak run --cycles {cycles}"] if needed else []
    steps += _at_the_limit(report)
    if any(one["weakens"] for one in report["evidence"]):
        steps.append("See to what weakens the evidence, listed above.")
    return steps or ["Limits per /cycle or /request are decided sooner than per hour; longer cycles are less noisy."]


def _count_first(findings: Sequence[dict[str, Any]], growth: Sequence[dict[str, Any]]) -> list[str]:
    """Where each request leaves a handle behind, memory grows with it: the handle is the plainer one to follow."""
    for finding in growth if growth[0]["unit"] == "bytes" else ():
        if finding["unit"] == "count" and finding["sites"] and (finding["growth_per_request"] or 0.0) >= A_HANDLE:
            place = findings.index(finding) + 1
            return [f"Begin with finding {place}, {finding['series']}: each request leaves some, and they hold memory."]
    return []


def _at_the_limit(report: dict[str, Any]) -> list[str]:
    """What to do about memory that grows for certain, so near its limit that no number of cycles decides it."""
    rows = [row for row in report["series"] if row["gates"] and row["unit"] == "bytes" and row["ci95"]]
    names = [row["name"] for row in rows if "near_limit" in row["warnings"] and row["ci95"][0] > 0]
    if not names:
        return []
    grows = "grow" if len(names) > 1 else "grows"
    return [
        f"{', '.join(names)} {grows} for certain, near the limit: a smaller one decides, such as "
        'limits.growth = "200B/request" (docs/tuning.md, Hunting one known leak).'
    ]


def _about_dependency(site: dict[str, Any], place: dict[str, Any]) -> str:
    """What to do about code that is not one's own: look for a mended version, and at one's own call of it."""
    made = f"It is made in {site['owner']} ({place['short']}:{place['line']})"
    caller = site.get("application")
    if site["partial"] and not caller:
        return f"{made}; its callers were not recorded as far as one's own code: look for who calls it."
    text = f"{made}: see whether a newer version mends it"
    return f"{text}, and what {caller['short']}:{caller['line']} {caller['function']} keeps." if caller else f"{text}."


def _after_leak(report: dict[str, Any]) -> list[str]:
    growth = [finding for finding in report["findings"] if finding["kind"] == "growth"]
    site = growth[0]["sites"][0] if growth and growth[0]["sites"] else None
    if site is None:
        return ["No place in the code is known: see the finding for why, and what grows beside it in the table."]
    place = site.get("likely") or site
    steps = [f"Open {place['short']}:{place['line']} and look at what keeps what {place['function']} makes."]
    if site.get("retains"):
        steps = [f"Open {place['short']}:{place['line']}: {place['function']} fills what keeps as many as are lost."]
    elif site["owner"].startswith("dependency"):
        steps = [_about_dependency(site, place)]
    keeper = next((one for one in growth[0]["sites"] if one.get("retains")), None)
    if keeper and keeper is not site and site["share"] < SPREAD_BELOW:
        steps.insert(0, f"Look first at {frame_name(keeper)}: it fills the container that keeps what many places made.")
    steps = [*_count_first(report["findings"], growth), *steps]
    if site["partial"] and len(site["traceback"]) == 1 and growth[0]["unit"] == "bytes":
        steps.append("Only one frame is known: agent.frames = 5, or agent.heap = sampler, shows the callers.")
    return [*steps, f"After the mend: soak run, then soak compare {report['run']['id']} and the new run's number"]
