"""The place that keeps what grows: a container that has grown all through the run, and the function that fills it.

What leaks is often allocated in one place and put into a registry or a cache in another. The allocation sites name the
first; this names the second, as a site of its own without a share: it allocates next to nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from soak.report.beside import alike
from soak.report.fingerprint import fingerprint, place
from soak.report.objects import grown_containers, newest_of
from soak.report.owner import STANDARD
from soak.report.sites import Attributor

HEAVY = 0.5  # of the heaviest container that grew: a lighter one is not what keeps the growth
PLACE = 2  # after the two most guilty allocation sites, so that it is among the three that a person looks at first


def with_retainer(
    attributor: Attributor,
    sites: list[dict[str, Any]],
    rates: Sequence[float] | None = None,
    types: Collection[str] = (),
) -> list[dict[str, Any]]:
    """`sites` with the place that keeps what grows, unless one of the first stands for it already.

    With `rates`, counts per hour of what leaks: only a container that grows by as many items, or that holds the newest
    objects of one of `types`, of which as many stay as leak: one item may keep both ends of a pipe. Without, and
    without sites, nothing tells a container that leaks from one that is meant to grow.
    """
    if not sites and rates is None:
        return sites
    shown = {(frame["file"], frame["function"]) for site in sites[:PLACE] for frame in site["traceback"]}
    rows = grown_containers(attributor.data)
    if rates is not None:
        paths = newest_of(attributor.data, types)
        rows = [row for row in rows if _as_fast(attributor, row, rates) or _leads_to(row, paths)]
    candidates = [(row, frames) for row in rows if (frames := _fillers(attributor, row))]
    for row, frames in candidates:
        known = any((file, function) in shown for file, _, function in frames)
        if not known and not row["light"] and row["weight"] >= HEAVY * candidates[0][0]["weight"]:
            return [*sites[:PLACE], _site(attributor, row, frames), *sites[PLACE:]]
    return sites


def _as_fast(attributor: Attributor, row: Mapping[str, Any], rates: Sequence[float]) -> bool:
    return any(alike(_per_hour(attributor, row), growth) for growth in rates)


def _leads_to(row: Mapping[str, Any], paths: Sequence[Sequence[str]]) -> bool:
    return any(path[: len(row["path"])] == row["path"] for path in paths)


def _per_hour(attributor: Attributor, row: Mapping[str, Any]) -> float:
    """Items that a container has won, from the second trough to the last."""
    cycles = max(1, attributor.data.complete - 2)
    return float(row["growth"]) / (cycles * attributor.data.cycle_seconds) * 3600.0


def _fillers(attributor: Attributor, row: Mapping[str, Any]) -> list[Sequence[Any]]:
    """Who fills a container, without the standard library, which keeps what others made."""
    return [frame for frame in row.get("filled_by", []) if attributor.owners.of(frame[0]) != STANDARD]


def _site(attributor: Attributor, row: Mapping[str, Any], frames: Sequence[Sequence[Any]]) -> dict[str, Any]:
    file, line, function = frames[0]
    frame = attributor.frame((file, line, function))
    return {
        "file": file,
        "line": line,
        "function": function,
        "short": place(file, attributor.owners.cwd),
        "owner": attributor.owners.of(file),
        "growth_per_hour": None,
        "ci95": None,
        "share": 0.0,
        "count_per_hour": _per_hour(attributor, row),
        "partial": False,
        "traceback": [frame],
        "types": [],
        "held_by": [[str(step) for step in row["path"]]],
        "significant": False,
        "bounded": False,
        "retains": True,
        "also_filled_by": [attributor.frame((file, line, function)) for file, line, function in frames[1:]],
        "live": 0.0,
        "stacks": 0,
        "details": [],
        "likely": frame,
        "application": None,
        "fingerprint": fingerprint("site", None, [(file, line, function)], attributor.owners.cwd),
    }
