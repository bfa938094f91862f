"""What the codes of a report mean, in words, and text from the target made safe for a terminal."""

from __future__ import annotations

from typing import Any

from soak.report.units import rate

WARNINGS = {
    "too_few_cycles": "too few cycles to judge",
    "still_slowing": "still slowing down: growth to date, it may be bounded",
    "one_step": "one step, not a slope",
    "growth_to_date": "growth to date is too near the limit: it may only have paused",
    "filling": "what grows is in a cache with a bound that is not reached yet",
    "gave_back": "most of what had grown was given back once, as by a sweep that comes round",
    "accelerating": "growing faster and faster",
    "restarted": "cycles with a restart were left out",
    "gaps": "cycles with gaps were left out",
    "near_limit": "too near the limit to be decided by more cycles",
    "tracer_inflates": "tracemalloc inflates it: python_heap decides",
    "no_limit": "no limit is set for it",
    "refused": "it may not be read by this user",
}
TITLES = {
    "growth": "Growth",
    "peak": "Peak",
    "cleanup": "Cleanup",
    "errors": "Errors",
    "latency": "Latency",
    "stream": "Streams",
    "cpu": "CPU",
    "target": "Target",
    "check": "Check",
    "ceiling": "Ceiling",
    "oom": "Out of memory",
}
BESIDE = "as many of its blocks stayed under tracemalloc as are lost: a coincidence of counts, no proof"
SPREAD_BELOW = 0.6  # of the growth at the first site: then the way there and what keeps it tell more than places
LIMIT_NAMES = {
    "memory": "the container's memory limit",
    "machine": "the machine's memory",
    "peak": "the peak limit",
    "fds": "the limit of open descriptors",
    "threads": "the limit of threads",
    "children": "the limit of processes",
}


def plain(text: object) -> str:
    """`text` without control characters: a path or a name from the target may carry terminal escapes."""
    return "".join(char if char.isprintable() else "?" for char in str(text))


def frame_name(frame: dict[str, Any]) -> str:
    """`file:line function` with the file as short as it stays unmistakable."""
    return f"{frame['short']}:{frame['line']} {frame['function']}"


def site_name(site: dict[str, Any]) -> str:
    """The frame a person can change; where the memory was taken inside the standard library, that after it."""
    likely = site.get("likely")
    if likely is None or (likely["file"], likely["line"]) == (site["file"], site["line"]):
        return frame_name(site)
    return f"{frame_name(likely)} (through {frame_name(site)})"


def has_share(site: dict[str, Any]) -> bool:
    """Whether a part of the growth is put down to `site`: not to what keeps it, nor to what is made beside it."""
    return not (site.get("retains") or site.get("beside"))


def kept_rate(site: dict[str, Any]) -> str:
    """How many objects a site without a share keeps, or leaves."""
    return f"{rate(site['count_per_hour'], 'count')} {'items kept' if site.get('retains') else 'blocks stay'}"


def meaning(code: str) -> str:
    """A warning's code in words; an unknown code as it is."""
    return WARNINGS.get(code, code.replace("_", " "))
