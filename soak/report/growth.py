"""Findings of growth: one per leaking resource, with where it comes from and when it will matter."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from soak.analysis import hours_to
from soak.analysis.results import Verdict
from soak.report.beside import alike, explained, growing_kinds, growing_objects, with_beside
from soak.report.confirm import confirmed, rest_of
from soak.report.evidence import why_silent
from soak.report.filling import WARNING, filling
from soak.report.fingerprint import fingerprint
from soak.report.inputs import TOTAL, RunData
from soak.report.objects import growing_types, held_by
from soak.report.retainers import with_retainer
from soak.report.series import MEMORY, Judged, outside_memory, tracer_growth
from soak.report.sites import Attribution, Attributor
from soak.report.split import memory_split, split_sentence
from soak.report.units import interval, rate, share
from soak.report.whereabouts import whereabouts
from soak.report.words import frame_name, site_name

# The share of what is seen from outside that python_heap has to explain to stand for it.
HEAP_STANDS = 0.5
# The share of what is seen from outside below which the Python heap is all of it.
LEAST_REST = 0.1
# The share of memory from which on its first site is told who holds the objects that grow.
STANDS = 0.5
# A descriptor of a socket is counted in both series; above this share the descriptors are nothing but the sockets.
SAME_HANDLES = 0.8
PAIRED = ("fds", "sockets")  # a pipe, a socketpair and a pseudo-terminal have two ends
KINDS = {
    "fds": ("fd", "socket"),
    "sockets": ("socket",),
    "threads": ("thread",),
    "tasks": ("task",),
    "children": ("child",),
    "tmp_files": ("tmp_file",),
}
NAMES = {
    "rss": "Memory (rss)",
    "pss": "Memory (pss)",
    "uss": "Memory (uss)",
    "python_heap": "Memory (Python heap)",
    "fds": "Open descriptors",
    "sockets": "Sockets",
    "threads": "Threads",
    "tasks": "asyncio tasks",
    "children": "Child processes",
    "tmp_files": "Temporary files",
}


@dataclass(frozen=True)
class Growing:
    """A leaking series that stands for a resource, and the others that grow with it."""

    judged: Judged
    also: tuple[str, ...] = ()


def growth_findings(data: RunData, series: Sequence[Judged], ceilings: dict[str, float]) -> list[dict[str, Any]]:
    """One finding per leaking resource, memory first. ceilings: what a series can reach at most, by its name."""
    leaking = {one.info.name: one for one in series if one.leaks}
    attributor = Attributor.of(data)
    findings = []
    memory = _memory(data, leaking)
    if memory:
        findings.append(_memory_finding(attributor, series, memory, ceilings))
    return findings + [_handle_finding(attributor, series, growing, ceilings) for growing in _handles(leaking)]


def _memory(data: RunData, leaking: dict[str, Judged]) -> Growing | None:
    """python_heap where it explains what is seen from outside, for it has sites; else what is seen from outside."""
    outside, heap = leaking.get(outside_memory(data)), leaking.get("python_heap")
    chosen = heap or outside
    if chosen is None:
        return None
    inflated = data.agent_mode == "tracemalloc"  # rss has tables in it that are known to a factor of two only
    if heap and outside and not inflated and _growth(heap) < HEAP_STANDS * _growth(outside):
        chosen = outside
    also = tuple(name for name in MEMORY if name in leaking and leaking[name] is not chosen)
    return Growing(chosen, also)


def _handles(leaking: dict[str, Judged]) -> list[Growing]:
    fds, sockets = leaking.get("fds"), leaking.get("sockets")
    same = fds and sockets and _growth(sockets) >= SAME_HANDLES * _growth(fds)
    names = [name for name in KINDS if name in leaking and not (same and name == "fds")]
    return [Growing(leaking[name], ("fds",) if same and name == "sockets" else ()) for name in names]


def _memory_finding(
    attributor: Attributor, series: Sequence[Judged], growing: Growing, ceilings: dict[str, float]
) -> dict[str, Any]:
    data, judged = attributor.data, growing.judged
    found = attributor.memory(_growth(judged))
    sites = confirmed(attributor, found.sites, _growth(judged))
    found = replace(found, sites=sites, unexplained=rest_of(sites, found.unexplained))
    types, holders = growing_types(data), held_by(data)
    verdicts = {one.info.name: one.verdict for one in series if one.info.process == TOTAL}
    statement, notes = whereabouts(data, series, verdicts, judged)
    rates: list[float] | None = None
    stands = bool(found.sites) and found.sites[0]["share"] >= STANDS
    if stands:
        found.sites[0]["types"] = types
        found.sites[0]["held_by"] = holders
    elif judged.info.name != "python_heap" and not explained(found):
        rates = [one["count_per_hour"] for one in types]
        found = with_beside(attributor, found, rates)
    found = replace(found, sites=with_retainer(attributor, found.sites, rates))
    outside = next((one for one in series if one.info.name == outside_memory(data) and one.info.process == TOTAL), None)
    finding = _finding(attributor, growing, found, ceilings, outside)
    notes += _with_bound(data, series, growing, finding, ceilings, outside)
    tracer = tracer_growth(data)
    split = None
    if outside is not None and outside.verdict and outside.verdict.known:
        split = memory_split(series, _growth(outside), _known_growth(verdicts.get("python_heap")))
        notes += _seen_outside(outside, judged, split)
    notes += _after_trim(verdicts)
    notes += [] if stands else growing_objects(types, holders)
    if tracer > 0:
        notes.append(
            f"{rate(tracer, 'bytes')} at least of what rss really grew is tracemalloc's own; it was taken off."
        )
    return {**finding, "types": types, "held_by": holders, "memory": statement, "split": split, "notes": notes}


def _with_bound(
    data: RunData,
    series: Sequence[Judged],
    growing: Growing,
    finding: dict[str, Any],
    ceilings: dict[str, float],
    outside: Judged | None,
) -> list[str]:
    """What is said of a cache that is filling; where it ends soon, the finding and its series are undecided with it."""
    judged = growing.judged
    most = max(_growth(one) for one in (judged, outside) if one is not None and (one is judged or one.leaks))
    levels = [ceilings[name] for name in ("memory", "machine") if name in ceilings]
    room = min(levels) - latest_level(outside or judged) if levels else math.inf
    full = filling(data, most, judged.limit or 0.0, room)
    if full is None:
        return []
    if full.near:
        finding.update(severity="warn", message=f"{finding['message']}; a cache that holds it is not full yet")
        if full.left_bytes <= ceilings.get(finding["limit_reached"], 0.0) - latest_level(outside or judged):
            finding.update(limit_reached=None, time_to_limit_hours=None)  # it is full before
        needed = data.complete + 2 * full.cycles  # as many cycles flat as it took to fill
        for one in series:
            if one.leaks and one.info.name in (judged.info.name, *growing.also):
                one.row.update(verdict="inconclusive", cycles_needed=needed, warnings=[*one.row["warnings"], WARNING])
    return [full.sentence()]


def _seen_outside(outside: Judged, judged: Judged, split: dict[str, float] | None) -> list[str]:
    """How fast memory grows from outside, and what that consists of."""
    text = f"From outside, {outside.info.name} grows {rate(_growth(outside), 'bytes')}"
    if split is not None:
        return [f"{text}: {split_sentence(split)}."]
    if outside is judged:
        return []
    rest = 1 - _growth(judged) / _growth(outside) if _growth(outside) > 0 else 0.0
    if rest < LEAST_REST:
        return [f"{text}."]
    return [f"{text}: {share(rest)} of that is outside the Python heap (native, or held by the allocator)."]


def _after_trim(verdicts: Mapping[str, Verdict | None]) -> list[str]:
    """What malloc_trim decided, where it was asked to."""
    trimmed, rss = verdicts.get("rss_trimmed"), verdicts.get("rss")
    if trimmed is None or rss is None or rss.verdict != "leak":
        return []
    if trimmed.verdict == "clean":
        return ["After malloc_trim nothing grows: the memory was held by the allocator, not leaked."]
    return ["It grows after malloc_trim, too: the memory is in use."] if trimmed.verdict == "leak" else []


def _known_growth(verdict: Verdict | None) -> float:
    return verdict.growth_per_hour if verdict is not None and verdict.known else 0.0


def _handle_finding(
    attributor: Attributor, series: Sequence[Judged], growing: Growing, ceilings: dict[str, float]
) -> dict[str, Any]:
    name, growth = growing.judged.info.name, _growth(growing.judged)
    found = attributor.handles(KINDS[name], growth)
    notes = [f"Those of the first place: {', '.join(found.sites[0]['details'])}."] if _told(found) else []
    if not explained(found):
        as_many = [one for one in growing_types(attributor.data) if alike(one["count_per_hour"], growth)]
        found = with_beside(attributor, found, [growth])
        found = replace(found, sites=_with_keeper(attributor, found.sites, name, growth, as_many))
        notes += [
            *growing_kinds(series, name, growth),
            *growing_objects(as_many, held_by(attributor.data) if as_many else []),
        ]
    return {**_finding(attributor, growing, found, ceilings), "notes": notes}


def _with_keeper(
    attributor: Attributor, sites: list[dict[str, Any]], name: str, growth: float, as_many: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """`sites` with what keeps the handles, or the objects that they belong to.

    What has two ends may be kept as one item; and a tuple or a function, unlike a class of somebody's, can belong to
    anything.
    """
    rates = [growth, growth / 2] if name in PAIRED else [growth]
    types = {str(one["type"]) for one in as_many if "." in str(one["type"])}
    return with_retainer(attributor, sites, rates, types)


def _told(found: Attribution) -> bool:
    return bool(found.sites and found.sites[0]["details"])


def _finding(
    attributor: Attributor,
    growing: Growing,
    found: Attribution,
    ceilings: dict[str, float],
    level_of: Judged | None = None,
) -> dict[str, Any]:
    judged, row = growing.judged, growing.judged.row
    name, unit = judged.info.name, judged.info.unit
    named = [(frame["file"], frame["line"], frame["function"]) for frame in _places(found)]
    ceiling, when = _time_to_limit(judged, ceilings, level_of or judged)
    return {
        "kind": "growth",
        "series": name,
        "unit": unit,
        "severity": "fail",
        "fingerprint": fingerprint("growth", name, named, attributor.owners.cwd),
        "message": growth_message(row, found),
        "growth_per_hour": row["growth_per_hour"],
        "growth_per_cycle": row["growth_per_cycle"],
        "growth_per_request": row["growth_per_request"],
        "ci95": row["ci95"],
        "limit_per_hour": row["limit_per_hour"],
        "unexplained_share": found.unexplained,
        "time_to_limit_hours": when,
        "limit_reached": ceiling,
        "sites": found.sites,
        "trunk": found.trunk,
        "tree": found.tree,
        "also": list(growing.also),
        "no_sites": None if found.sites else _why_no_sites(attributor.data, name),
    }


def _places(found: Attribution) -> list[dict[str, Any]]:
    """The frames that name the finding: those of its first site."""
    if not found.sites:
        return []
    site = found.sites[0]
    return [site["traceback"][-1], *(site[key] for key in ("likely", "application") if site[key])]


def growth_message(row: dict[str, Any], found: Attribution) -> str:
    """One sentence: what grows, how fast, and where most of it comes from."""
    unit = row["unit"]
    text = f"{NAMES.get(row['name'], row['name'])} grow" + ("" if row["name"] in KINDS else "s")
    text += f" {rate(row['growth_per_hour'], unit).lstrip('+')} (95 %: {interval(row['ci95'], unit)}/h"
    text += f"; limit {row['limit']})"
    return text + (_from(found.sites[0]) if found.sites else "")


def _from(site: dict[str, Any]) -> str:
    if site.get("retains"):
        return f"; {frame_name(site)} keeps objects at that rate"
    if site.get("beside"):
        return f"; as many objects stay of those that {site_name(site)} makes"
    return f"; {share(site['share'])} of it from {site_name(site)}"


def _why_no_sites(data: RunData, name: str) -> str:
    if data.agent_mode == "off" and not data.readings:
        refused = [str(event.detail.get("note", "")) for event in data.of_kind("agent")]
        if refused:
            return f"There was no agent in the target, and so no places in the code: {refused[0]}."
        if gaps := data.of_kind("reading_gap"):
            return f"The agent in the target gave no reading{why_silent(gaps)}, and so there are no places in the code."
        return "There was no agent in the target: places in the code need Python 3.9 or later without -E, -I or -S."
    if data.agent_mode == "off":
        return "The heap was not followed (agent.heap = off)."
    if name in KINDS:
        return "Nobody saw them being made: C code made them, or a call that Python does not report, such as os.pipe."
    return "No place in Python grows with it: it is native memory, fragmentation, or in a process without an agent."


def _time_to_limit(
    judged: Judged, ceilings: dict[str, float], level_of: Judged
) -> tuple[str | None, list[float | None] | None]:
    """(name of the nearest ceiling, hours until it is reached, soonest and latest; None for never).

    Memory has its level from what is seen from outside, for that is what ceilings are about, even when the Python
    heap tells how fast it grows.
    """
    verdict = judged.verdict
    if verdict is None or not verdict.known:
        return None, None
    level = latest_level(level_of)
    spans = {name: hours_to(level, at, verdict.ci95) for name, at in ceilings.items() if _applies(name, judged)}
    known = {name: span for name, span in spans.items() if span is not None}
    if not known:
        return None, None
    nearest = min(known, key=lambda name: known[name][0])
    return nearest, [value if math.isfinite(value) else None for value in known[nearest]]


def _applies(ceiling: str, judged: Judged) -> bool:
    name = judged.info.name
    return ceiling == f"peak_{name}" or ceiling == name or (name in MEMORY and ceiling in ("memory", "machine", "peak"))


def latest_level(judged: Judged, last: float = 0.1) -> float:
    """The level now: the highest of the last tenth of the run; NaN without samples."""
    there = judged.values[~np.isnan(judged.values)]
    return float(there[-max(1, int(last * there.size)) :].max()) if there.size else math.nan


def _growth(judged: Judged) -> float:
    return judged.verdict.growth_per_hour if judged.verdict and judged.verdict.known else 0.0
