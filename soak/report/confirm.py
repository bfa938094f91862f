"""What the window under tracemalloc after the last cycle says of the sites that a sampled heap has named.

tracemalloc follows every block, also those that Python hands out again without asking an allocator. What was allocated
in the window and lived at its end is mostly what leaks, so a site has about the same share of it as of the growth. One
of small blocks or with a partial stack that has next to none of it stands on the wrong line. A target that keeps
replacing what it holds has far more in it than leaks: then it says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from soak.analysis.results import SiteResult
from soak.report.grouping import Group, Grouping
from soak.report.inputs import RunData
from soak.report.owner import APPLICATION, Frame
from soak.report.sites import Attributor

PHASE = "confirm"
SMALL = 160.0  # bytes of a block, up to which a sampled site is believed only if it is confirmed
CONCLUSIVE = 0.4  # of what the growth makes one expect must have been kept in the window
NAMED = 0.25  # of what was kept: what no site names yet is named from here on
FAR = 1.5  # times the share that the sampler gave: then the window's is told
LEAST = 16 * 1024  # bytes kept, below which anything may have been it
MOST = 4.0  # times that, or LEAST: mostly what takes the place of something else; leaks had 0.3 to 2


@dataclass(frozen=True)
class Kept:
    """What the window kept: bytes in all, by line, by function and by the line that allocated."""

    total: float
    groups: dict[object, Group]
    lines: dict[tuple[str, int], float]
    functions: dict[tuple[str, str], float]

    def share(self, frame: Frame, owner: str) -> float:
        """Of a site named by this frame: by its line in the application, else by its function."""
        by_line = self.lines.get((frame[0], frame[1]), 0.0)
        by_function = 0.0 if owner == APPLICATION else self.functions.get((frame[0], frame[2]), 0.0)
        return max(by_line, by_function) / self.total


def confirmed(attributor: Attributor, sites: list[dict[str, Any]], growth: float) -> list[dict[str, Any]]:
    """`sites` in the order that the window gives them, with what it names and they do not; as they are without one."""
    kept, expected = kept_in_window(attributor), _expected(attributor.data, growth)
    if kept is None or not max(LEAST, CONCLUSIVE * expected) <= kept.total <= MOST * max(LEAST, expected):
        return sites
    for site in sites:
        frame = site["likely"] or site["traceback"][-1]
        told = site["confirmed_share"] = kept.share((frame["file"], frame["line"], frame["function"]), site["owner"])
        if _doubtful(site) or told > FAR * site["share"]:
            site.update(share=told, growth_per_hour=told * growth, ci95=None, bounded=site["bounded"] and told < NAMED)
            site["significant"] |= told >= NAMED
    found = [*sites, *_unnamed(attributor, kept, sites, growth)]
    return sorted(found, key=lambda site: -_score(site))


def rest_of(sites: list[dict[str, Any]], unexplained: float | None) -> float | None:
    """The share that no place explains: `unexplained`, or what those that the window is sure of leave over."""
    if not any(site.get("confirmed_share") is not None for site in sites):
        return unexplained
    return max(0.0, 1.0 - sum(float(site["share"]) for site in sites if site["significant"]))


def _doubtful(site: dict[str, Any]) -> bool:
    """Whether the sampler may have put it on the wrong line: small blocks, or callers that it does not know."""
    blocks, size = site["count_per_hour"] or 0.0, site["growth_per_hour"] or 0.0
    return bool(site["partial"] or (blocks > 0 and size / blocks <= SMALL))


def _score(site: dict[str, Any]) -> float:
    """The share to go by: the mean of both ways to know it."""
    return (float(site["confirmed_share"]) + float(site["share"])) / 2.0


def _expected(data: RunData, growth: float) -> float:
    """Bytes that the requests of the window should have leaked."""
    return growth / data.requests_per_hour * landed_in_window(data) if data.requests_per_hour else 0.0


def landed_in_window(data: RunData) -> int:
    """Requests of the window."""
    return sum(int(event.detail.get("confirmation", {}).get("landed", 0)) for event in data.of_kind("agent"))


def kept_in_window(attributor: Attributor) -> Kept | None:
    """What was allocated in the window and lived at its end; None without one."""
    data = attributor.data
    readings = [reading for reading in data.readings if reading.phase == PHASE]
    if not readings:
        return None
    cycle, t = readings[-1].cycle, readings[-1].t
    grouping = Grouping(attributor.owners, [(-1, 0.0), (cycle, t)])  # nothing was kept before the window
    lines: dict[tuple[str, int], float] = {}
    functions: dict[tuple[str, str], float] = {}
    total = 0.0
    for site in data.sites:
        size = sum(point.bytes for point in site.points if point.cycle == cycle)
        group = grouping.group(site.stack) if size else None
        if group is None:
            continue
        grouping.add(group, site.stack, 1, size, sum(point.count for point in site.points if point.cycle == cycle))
        total += size
        likely = attributor.owners.likely(list(site.stack))
        for file, line, function in {site.stack[-1], *([likely[0]] if likely else [])}:
            lines[file, line] = lines.get((file, line), 0.0) + size
            functions[file, function] = functions.get((file, function), 0.0) + size
    return Kept(total, grouping.groups, lines, functions) if total > 0 else None


def _unnamed(attributor: Attributor, kept: Kept, sites: list[dict[str, Any]], growth: float) -> list[dict[str, Any]]:
    """Sites of what the window kept in places that the sampler did not name."""
    named = {
        (frame["file"], frame["line"]) for site in sites for frame in (site["likely"], site["traceback"][-1]) if frame
    }
    found = []
    for key, group in kept.groups.items():
        share = float(group.values[-1]) / kept.total
        stack = group.heaviest()
        likely = attributor.owners.likely(list(stack))
        # a frame of the standard library without its callers names nobody
        if share < NAMED or likely is None or stack[-1][:2] in named or likely[0][:2] in named:
            continue
        size = min(1.0, share) * growth
        blocks = float(group.counts[-1]) * size / max(float(group.values[-1]), 1.0)
        result = SiteResult(key, size, (size, size), min(1.0, share), False, "unknown", size)
        site = attributor.site(group, result, np.array([0.0, 1.0]))
        found.append({**site, "ci95": None, "count_per_hour": blocks, "significant": True, "confirmed_share": share})
    return found
