"""What is made beside what leaks: places for descriptors, threads and native memory that nobody saw being made.

Python reports no `os.pipe`, no `select.epoll`, nothing that C code opens, and the memory of a C library has no line of
Python. What leaks so has mostly an object of Python that stays with it. In the window under tracemalloc after the last
cycle, the places of which as many blocks stayed as were lost meanwhile are those of such objects: a coincidence of
counts and no proof, and the report says it as such.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from soak.analysis.results import SiteResult
from soak.report.confirm import Kept, kept_in_window, landed_in_window
from soak.report.grouping import Group
from soak.report.inputs import TOTAL
from soak.report.series import Judged
from soak.report.sites import Attribution, Attributor
from soak.report.units import rate

MOST = 3  # places; a person reads three
LEAST = 6.0  # lost in the window, below which a count tells nothing
TOLERANCE = 0.35  # of that: the window is short, and what is under way at its end is in it
SLACK = 3.0  # blocks, likewise
MOST_OF_IT = 0.5  # of the growth: with less in the places that are known, whatever else is known of it is told too
ALIKE = 0.25  # by how much the growth of a type may differ from that of what leaks
KIND_SHARE = 0.2  # of the growth, from which on a kind of descriptors or a state of sockets is named
MOST_TOLD = 4  # types and kinds in a sentence


def with_beside(attributor: Attributor, found: Attribution, rates: Sequence[float]) -> Attribution:
    """`found` with those of `beside` that are not among its sites."""
    named = {(site["file"], site["line"]) for site in found.sites}
    more = [site for site in beside(attributor, rates) if (site["file"], site["line"]) not in named]
    return replace(found, sites=[*found.sites, *more])


def beside(attributor: Attributor, rates: Sequence[float]) -> list[dict[str, Any]]:
    """Sites whose blocks stayed in the window as often as one of `rates` (lost per hour) makes one expect.

    Most bytes first, at most MOST; none without a window, or where too little was lost in it.
    """
    kept, per_hour = kept_in_window(attributor), attributor.data.requests_per_hour
    landed = landed_in_window(attributor.data)
    if kept is None or not per_hour or not landed:
        return []
    expected = [rate / per_hour * landed for rate in rates]
    matching = [(key, group) for key, group in kept.groups.items() if _matches(attributor, group, expected)]
    matching.sort(key=lambda pair: -float(pair[1].values[-1]))
    return [_site(attributor, kept, key, group, per_hour / landed) for key, group in matching[:MOST]]


def as_many(count: float, expected: Sequence[float]) -> bool:
    """Whether `count` is one of those that were expected, as exactly as a short window can tell."""
    return any(one >= LEAST and abs(count - one) <= max(SLACK, TOLERANCE * one) for one in expected)


def _matches(attributor: Attributor, group: Group, expected: Sequence[float]) -> bool:
    """A frame of the standard library without its callers names nobody."""
    named = attributor.owners.likely(list(group.heaviest())) is not None
    return named and as_many(float(group.counts[-1]), expected)


def _site(attributor: Attributor, kept: Kept, key: object, group: Group, scale: float) -> dict[str, Any]:
    nothing = SiteResult(key, 0.0, (0.0, 0.0), 0.0, False, "unknown", 0.0)
    site = attributor.site(group, nothing, np.array([0.0, 1.0]))
    told = {
        "growth_per_hour": None,
        "ci95": None,
        "count_per_hour": float(group.counts[-1]) * scale,
        "beside": True,
        "confirmed_share": float(group.values[-1]) / kept.total,
    }
    return {**site, **told}


def explained(found: Attribution) -> bool:
    """Whether most of the growth has places."""
    return sum(float(site["share"]) for site in found.sites) >= MOST_OF_IT


def alike(count: float, growth: float) -> bool:
    """Whether objects grow about as fast as what leaks."""
    return abs(count - growth) <= ALIKE * growth


def growing_kinds(series: Sequence[Judged], name: str, growth: float) -> list[str]:
    """What kind of descriptors, or which states of sockets, make up the growth of the series `name`."""
    kinds = [one for one in series if one.info.name.startswith(f"{name}.") and one.info.process == TOTAL]
    grown = {one.info.name: _rise(one) for one in kinds}
    most = sorted(grown, key=lambda kind: -grown[kind])[:MOST_TOLD]
    told = ", ".join(f"{kind} {rate(grown[kind], 'count')}" for kind in most if grown[kind] > KIND_SHARE * growth)
    return [f"What grows is {told}."] if told else []


def _rise(judged: Judged) -> float:
    """Per hour from the first to the last value: kinds are looked at now and then, in too few cycles to be judged."""
    there = ~np.isnan(judged.values)
    times, values = judged.times[there], judged.values[there]
    return float(values[-1] - values[0]) / (times[-1] - times[0]) * 3600.0 if values.size > 1 else 0.0


def growing_objects(types: Sequence[Mapping[str, Any]], holders: Sequence[Sequence[str]]) -> list[str]:
    """Types that grow with it, and who holds them, where no place in the code explains it."""
    grown = ", ".join(f"{one['type']} {rate(one['count_per_hour'], 'count')}" for one in types[:MOST_TOLD])
    return [
        *([f"Objects that grow with it: {grown}."] if grown else []),
        *(f"Held by: {' -> '.join(path)}" for path in holders[:2]),
    ]
