"""A comparison as one HTML file in the style of the report: what is worse, both curves in one chart, the tables."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from soak.report.chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axes
from soak.report.compare_text import headline
from soak.report.html import environment
from soak.report.svg import path, stretches, tag, ticks
from soak.report.units import amount, interval, rate, short, size_of
from soak.report.words import plain


def render_compare_html(result: dict[str, Any], before: Sequence[dict[str, Any]], after: dict[str, Any]) -> str:
    """The page for the comparison `result` of the reports `before` with the report `after`."""
    made = environment()
    made.globals.update(change=_change, value=_value, rate=rate, interval=interval)
    css = made.get_template("report.css").render()
    page: str = made.get_template("compare.html.j2").render(
        result=result,
        headline=headline(result).partition("  ")[2],  # the verdict stands beside it
        css_hash=base64.b64encode(hashlib.sha256(css.encode()).digest()).decode(),
        charts=[(row["name"], chart) for row in result["series"] if (chart := draw(row["name"], before[-1], after))],
    )
    return page if page.endswith("\n") else page + "\n"


def draw(name: str, before: dict[str, Any], after: dict[str, Any]) -> Markup | None:
    """The curve of `name` in both runs, cycle beside cycle; None where neither report has it."""
    curves = [(kind, curve) for kind, report in (("old", before), ("new", after)) if (curve := _curve(report, name))]
    if not curves:
        return None
    unit = curves[-1][1]["unit"]
    axes = _axes([curve for _, curve in curves])
    said = f"{plain(name)}: " + ", ".join(f"{_said(kind)} {_range(curve, unit)}" for kind, curve in curves)
    parts = [part for kind, curve in curves for part in _drawn(kind, curve, axes)]
    view = f"0 0 {WIDTH:.0f} {HEIGHT:.0f}"
    return tag(
        "svg", tag("title", said), *_grid(axes, unit), *parts, klass="chart", viewBox=view, role="img", aria_label=said
    )


def _curve(report: dict[str, Any], name: str) -> dict[str, Any] | None:
    """The drawn points of a report with time counted in cycles, so that runs of other lengths lie on each other."""
    charts = report.get("charts") or {"series": []}
    found = next((one for one in charts["series"] if one["name"] == name), None)
    if found is None or not found["t"]:
        return None
    cycle = charts["cycle_seconds"]
    floors = [(t / cycle, value) for t, value, used in found["floors"] if used and value is not None]
    return {**found, "t": [t / cycle for t in found["t"]], "floors": floors}


def _axes(curves: Sequence[dict[str, Any]]) -> Axes:
    lows = [value for curve in curves for value in curve["low"] if value is not None]
    highs = [value for curve in curves for value in curve["high"] if value is not None]
    low, high = min(lows, default=0.0), max(highs, default=1.0)
    room = 0.06 * (high - low) or max(1.0, 0.05 * abs(high))
    end = max(max(curve["t"]) for curve in curves)
    return Axes(0.0, end, max(0.0, low - room) if low >= 0 else low - room, high + room)


def _grid(axes: Axes, unit: str) -> list[Markup]:
    factor = size_of(axes.high)[1] if unit == "bytes" else 0.01 if unit == "ratio" else 1.0
    parts = []
    for tick in ticks(axes.low / factor, axes.high / factor):
        y = axes.y(tick * factor)
        parts.append(tag("line", klass="grid", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y))
        parts.append(tag("text", amount(tick * factor, unit), klass="axis", x=LEFT - 6, y=y + 4, text_anchor="end"))
    step = max(1, round(axes.t1 / 12))
    for cycle in range(0, int(axes.t1) + 1, step):
        middle = axes.x(cycle + 0.5)
        if cycle + 0.5 <= axes.t1:
            parts.append(tag("text", str(cycle + 1), klass="axis", x=middle, y=HEIGHT - 10, text_anchor="middle"))
    return [*parts, tag("line", klass="grid", x1=LEFT, x2=LEFT, y1=TOP, y2=HEIGHT - BOTTOM)]


def _drawn(kind: str, curve: dict[str, Any], axes: Axes) -> list[Markup]:
    """Band and floors of one run; the older one is grey and lies below."""
    parts = []
    for run in stretches(list(zip(curve["t"], curve["low"], curve["high"], strict=True))):
        upper = [(axes.x(t), axes.y(high)) for t, _, high in run]
        lower = [(axes.x(t), axes.y(low)) for t, low, _ in reversed(run)]
        parts.append(tag("path", klass=f"band {kind}", d=path(upper + lower, close=True)))
    if len(curve["floors"]) > 1:
        parts.append(tag("path", klass=f"through {kind}", d=path((axes.x(t), axes.y(v)) for t, v in curve["floors"])))
    for t, value in curve["floors"]:
        said = tag("title", f"{_said(kind)}, cycle {int(t) + 1}: {amount(value, curve['unit'])}")
        parts.append(tag("circle", said, klass=f"floor {kind}", cx=axes.x(t), cy=axes.y(value), r=3.0))
    return parts


def _said(kind: str) -> str:
    return "before" if kind == "old" else "now"


def _range(curve: dict[str, Any], unit: str) -> str:
    floors = [value for _, value in curve["floors"]]
    if not floors:
        return "without floors"
    return f"floors from {amount(floors[0], unit)} to {amount(floors[-1], unit)}"


def _value(figure: dict[str, Any], side: str) -> str:
    return f"{short(figure[side])} ms" if figure["unit"] == "ms" else amount(figure[side], figure["unit"])


def _change(figure: dict[str, Any]) -> str:
    return f"{'+' if figure['change'] > 0 else ''}{short(figure['change'] * 100)} %"
