"""A curve in one line of text, for job summaries and terminals."""

from __future__ import annotations

from collections.abc import Sequence

_BLOCKS = "▁▂▃▄▅▆▇█"


def spark(values: Sequence[float | None], width: int = 40) -> str:
    """`values` as blocks, at most `width` of them; a gap is a space."""
    if len(values) > width:
        step = len(values) / width
        parts = [values[int(i * step) : max(int(i * step) + 1, int((i + 1) * step))] for i in range(width)]
        values = [min((v for v in part if v is not None), default=None) for part in parts]
    there = [value for value in values if value is not None]
    if not there:
        return ""
    low, span = min(there), (max(there) - min(there)) or 1.0
    return "".join(" " if v is None else _BLOCKS[min(7, int((v - low) / span * 8))] for v in values)


def floors_of(report: dict[str, object], name: str) -> list[float | None]:
    """The floors of a series, cycle by cycle, as the model's curves have them."""
    charts = report.get("charts")
    series = charts.get("series", []) if isinstance(charts, dict) else []
    return next(([floor[1] for floor in one["floors"]] for one in series if one["name"] == name), [])
