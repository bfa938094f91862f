"""The table [limits]: growth per hour, cycle or request, peaks, and what else may fail a run."""

# ruff: noqa: RUF009 -- key() makes a dataclass field, which is what that rule asks for

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from soak.config.kinds import Duration, Percent, Wrong
from soak.config.place import Place
from soak.config.table import Section, key
from soak.config.units import parse_size

Per = Literal["h", "cycle", "request"]

MEGABYTE = 1024 * 1024
COUNTS = ("fds", "sockets", "threads", "tasks", "children", "tmp_files")
MEMORY = ("uss", "pss", "python_heap", "tmp_bytes")
_GROWTH = re.compile(r"(.+?) ?/ ?(h|cycle|request)")


@dataclass(frozen=True, slots=True)
class Growth:
    """A growth limit: bytes or counts `per` hour, cycle or landed request; `written` by the user or a default."""

    value: float
    per: Per = "h"
    written: bool = False

    def per_hour(self, cycle_seconds: float, requests_per_hour: float | None) -> float | None:
        """The limit per hour; None when it is per request and nothing landed."""
        if self.per == "h":
            return self.value
        if self.per == "cycle":
            return self.value * 3600.0 / cycle_seconds
        return self.value * requests_per_hour if requests_per_hour else None


@dataclass(frozen=True, slots=True)
class Peak:
    """A limit of rss in bytes: absolute, or over the floor and the amplitude of the first usable cycles."""

    value: int
    relative: bool = False


@dataclass(frozen=True, slots=True)
class GrowthLimit:
    """Reads "1MB/h", "1MB/cycle", "512B/request", or for counts "0.5/h"."""

    counts: bool

    @property
    def allowed(self) -> str:
        """Examples."""
        examples = '"0.5/h", "2/cycle" or "0.001/request"' if self.counts else '"1MB/h", "1MB/cycle" or "512B/request"'
        return f"growth such as {examples}"

    def read(self, value: Any, place: Place) -> Growth:
        """The limit, marked as written."""
        match = _GROWTH.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise Wrong
        per: Per = "h" if match[2] == "h" else "cycle" if match[2] == "cycle" else "request"
        try:
            return Growth(_count(match[1]) if self.counts else parse_size(match[1]), per, written=True)
        except ValueError:
            raise Wrong from None


@dataclass(frozen=True, slots=True)
class PeakLimit:
    """Reads "+10MB" (relative) and "4GB" (absolute)."""

    allowed: str = 'a size such as "+10MB" (over the floor) or "500MB" (absolute)'

    def read(self, value: Any, place: Place) -> Peak:
        """The limit in bytes."""
        if not isinstance(value, str):
            raise Wrong
        try:
            return Peak(int(parse_size(value.removeprefix("+"))), value.startswith("+"))
        except ValueError:
            raise Wrong from None


@dataclass(frozen=True, slots=True)
class Ceiling:
    """Reads a `peak_<series>`: a size for memory, a number for counts."""

    bytes: bool

    @property
    def allowed(self) -> str:
        """An example."""
        return 'a size such as "500MB"' if self.bytes else "a number above 0, such as 900"

    def read(self, value: Any, place: Place) -> float:
        """Bytes or counts."""
        if self.bytes and isinstance(value, str):
            try:
                return parse_size(value)
            except ValueError:
                raise Wrong from None
        if self.bytes or isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
            raise Wrong
        return float(value)


@dataclass(frozen=True, slots=True)
class Cleanup:
    """The table limits.cleanup: how long resources may take to be back at their floor."""

    grace: float = key(
        Duration(),
        "seconds after the load stops until every resource must be back at its floor; it is also judged at once",
        default=60.0,
        default_text='"60s", or the quiet phase when that is shorter',
    )


def _growth(series: str) -> Any:
    return key(
        GrowthLimit(counts=True),
        f"growth of {series} that is still allowed",
        default=Growth(0.5),
        default_text='"0.5/h"; "0.5/cycle" when cycles are below 30 minutes',
    )


def _peak(series: str) -> Any:
    return key(Ceiling(series in MEMORY), f"{series} must never be above this", name=f"peak_{series}")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run is judged against: bytes, counts, ratios, milliseconds (p50, p95, p99) and seconds."""

    growth: Growth = key(
        GrowthLimit(counts=False),
        "growth of every memory series that is still allowed",
        default=Growth(MEGABYTE),
        default_text='"1MB/h"; "1MB/cycle" when cycles are below 30 minutes',
    )
    peak: Peak = key(
        PeakLimit(),
        'rss: "+10MB" is over the floor and the amplitude of the first usable cycles, "500MB" is absolute',
        default=Peak(10 * MEGABYTE, True),
        default_text='"+10MB"',
    )
    fds: Growth = _growth("descriptors")
    sockets: Growth = _growth("sockets")
    threads: Growth = _growth("threads")
    tasks: Growth = _growth("asyncio tasks")
    children: Growth = _growth("child processes, zombies and orphans included")
    tmp_files: Growth = _growth("temporary files")
    cpu: float | None = key(Percent(float("inf")), "of one core, in the high phase")
    errors: float | None = key(Percent(), "of the requests that were sent, how many may fail")
    p50: float | None = key(Duration(scale=1000.0), "median response time, from the intended moment of sending")
    p95: float | None = key(Duration(scale=1000.0), "95th percentile of the response time")
    p99: float | None = key(Duration(scale=1000.0), "99th percentile of the response time")
    cleanup: Cleanup = key(Section(Cleanup), "resources must be back at their floor", default=Cleanup())
    peak_fds: float | None = _peak("fds")
    peak_sockets: float | None = _peak("sockets")
    peak_threads: float | None = _peak("threads")
    peak_tasks: float | None = _peak("tasks")
    peak_children: float | None = _peak("children")
    peak_tmp_files: float | None = _peak("tmp_files")
    peak_uss: float | None = _peak("uss")
    peak_pss: float | None = _peak("pss")
    peak_python_heap: float | None = _peak("python_heap")
    peak_tmp_bytes: float | None = _peak("tmp_bytes")

    @property
    def peaks(self) -> dict[str, float]:
        """The absolute ceilings that were written, by series: {"fds": 900.0}."""
        written = {series: getattr(self, f"peak_{series}") for series in (*COUNTS, *MEMORY)}
        return {series: ceiling for series, ceiling in written.items() if ceiling is not None}

    @property
    def cleanup_grace(self) -> float:
        """Seconds after the load stops until every resource must be back at its floor."""
        return self.cleanup.grace

    def growth_of(self, series: str) -> Growth:
        """The growth limit of a series: its own for counts, `growth` for everything in bytes."""
        limit: Growth = getattr(self, series) if series in COUNTS else self.growth
        return limit


def limits_from_json(data: Mapping[str, Any]) -> Limits:
    """The Limits that `Config.to_json()` wrote; takes the whole configuration or its `limits` part."""
    part: Mapping[str, Any] = data.get("limits", data)
    found: dict[str, Any] = {}
    for item in fields(Limits):
        if item.name in part:
            value = part[item.name]
            made = _MADE_FROM_TABLES.get(item.name)
            found[item.name] = made(**value) if made and isinstance(value, Mapping) else value
    return Limits(**found)


def _count(text: str) -> float:
    if re.fullmatch(r"\d+(\.\d+)?", text) is None:
        raise ValueError(text)
    return float(text)


_MADE_FROM_TABLES: dict[str, type] = {
    "growth": Growth,
    "peak": Peak,
    "cleanup": Cleanup,
    **dict.fromkeys(COUNTS, Growth),
}
