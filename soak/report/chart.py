"""One series as a chart: values as a band, floors of cycles, slope with interval, quiet phases, gaps, segments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from soak.report.svg import path, stretches, tag, ticks
from soak.report.units import amount, duration, interval, rate, size_of
from soak.report.words import plain

WIDTH, HEIGHT = 760.0, 230.0
LEFT, RIGHT, TOP, BOTTOM = 64.0, 12.0, 10.0, 26.0
MOST_LABELS = 16
HOUR = 3600.0


@dataclass(frozen=True)
class Axes:
    """From seconds and values to pixels."""

    t0: float
    t1: float
    low: float
    high: float

    def x(self, t: float) -> float:
        """Pixels from the left."""
        share = (min(max(t, self.t0), self.t1) - self.t0) / max(self.t1 - self.t0, 1e-9)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Pixels from the top, kept inside the chart."""
        share = (min(max(value, self.low), self.high) - self.low) / max(self.high - self.low, 1e-12)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def draw(charts: dict[str, Any], one: dict[str, Any]) -> Markup:
    """The chart of the series `one` as an SVG element with a text that says the same."""
    axes = _axes(charts, one)
    label = describe(one)
    return tag(
        "svg",
        tag("title", label),
        *_background(charts, axes),
        *_grid(charts, one, axes),
        *_band(one, axes),
        *_slope(one, axes),
        *_floors(one, axes),
        *_marks(charts, axes),
        klass="chart",
        viewBox=f"0 0 {WIDTH:.0f} {HEIGHT:.0f}",
        role="img",
        aria_label=label,
    )


def describe(one: dict[str, Any]) -> str:
    """What the chart shows, in a sentence."""
    growth, unit = one["growth_per_hour"], one["unit"]
    if growth is None:
        return f"{plain(one['name'])}: no growth could be estimated"
    return f"{plain(one['name'])} grows {rate(growth, unit)} (95 %: {interval(one['ci95'], unit)}/h): {one['verdict']}"


def _axes(charts: dict[str, Any], one: dict[str, Any]) -> Axes:
    ends = [cycle[1] for cycle in charts["cycles"]] + one["t"][-1:]
    lows = [value for value in one["low"] if value is not None]
    highs = [value for value in one["high"] if value is not None]
    low, high = min(lows, default=0.0), max(highs, default=1.0)
    room = 0.06 * (high - low) or max(1.0, 0.05 * abs(high))
    return Axes(0.0, max(ends, default=1.0), max(0.0, low - room) if low >= 0 else low - room, high + room)


def _background(charts: dict[str, Any], axes: Axes) -> list[Markup]:
    """Quiet phases, where like is compared with like, and gaps."""
    floor, quiet = HEIGHT - TOP - BOTTOM, charts["quiet_seconds"]
    parts = [
        tag("rect", klass="quiet", x=axes.x(t1 - quiet), y=TOP, width=axes.x(t1) - axes.x(t1 - quiet), height=floor)
        for _, t1 in charts["cycles"]
    ]
    for t0, t1, why in charts["gaps"]:
        end = axes.t1 if t1 is None else t1
        said = tag("title", f"gap of {duration(end - t0)}: {plain(why)}")
        width = max(1.0, axes.x(end) - axes.x(t0))
        parts.append(tag("rect", said, klass="gap", x=axes.x(t0), y=TOP, width=width, height=floor))
    return parts


def _grid(charts: dict[str, Any], one: dict[str, Any], axes: Axes) -> list[Markup]:
    factor = size_of(axes.high)[1] if one["unit"] == "bytes" else 0.01 if one["unit"] == "ratio" else 1.0
    parts = []
    for tick in ticks(axes.low / factor, axes.high / factor):
        y = axes.y(tick * factor)
        parts.append(tag("line", klass="grid", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y))
        said = amount(tick * factor, one["unit"])
        parts.append(tag("text", said, klass="axis", x=LEFT - 6, y=y + 4, text_anchor="end"))
    step = max(1, -(-len(charts["cycles"]) // MOST_LABELS))
    for number, (t0, t1) in enumerate(charts["cycles"], 1):
        if (number - 1) % step == 0:
            middle = axes.x((t0 + t1) / 2)
            parts.append(tag("text", str(number), klass="axis", x=middle, y=HEIGHT - 10, text_anchor="middle"))
    return parts


def _band(one: dict[str, Any], axes: Axes) -> list[Markup]:
    columns = list(zip(one["t"], one["low"], one["high"], strict=True))
    parts = []
    for run in stretches(columns):
        upper = [(axes.x(t), axes.y(high)) for t, _, high in run]
        lower = [(axes.x(t), axes.y(low)) for t, low, _ in reversed(run)]
        parts.append(tag("path", klass="band", d=path(upper + lower, close=True)))
    return parts


def _slope(one: dict[str, Any], axes: Axes) -> list[Markup]:
    """In each segment the slope through the middle of its floors, its interval, and what the limit would allow."""
    bounds = one["ci95"]
    if bounds is None or bounds[0] is None or bounds[1] is None:
        return []
    return [part for line in one["lines"] for part in _line(one, line, axes)]


def _line(one: dict[str, Any], line: dict[str, float], axes: Axes) -> list[Markup]:
    growth, (low, high) = one["growth_per_hour"], one["ci95"]

    def along(per_hour: float, start: float, at: float) -> list[tuple[float, float]]:
        return [(axes.x(t), axes.y(at + per_hour * (t - start) / HOUR)) for t in (line["from"], line["to"])]

    middle = (line["t"], line["value"])
    wedge = [*along(low, *middle), *reversed(along(high, *middle))]
    parts = [tag("path", klass="wedge", d=path(wedge, close=True))]
    parts.append(tag("path", tag("title", describe(one)), klass="slope", d=path(along(growth, *middle))))
    if one["limit_per_hour"] is not None:
        first = line["value"] + growth * (line["from"] - line["t"]) / HOUR
        allowed = tag("title", f"the limit: {rate(one['limit_per_hour'], one['unit'])}")
        reached = along(one["limit_per_hour"], line["from"], first)
        parts.append(tag("path", allowed, klass="limit", d=path(reached)))
    return parts


def _floors(one: dict[str, Any], axes: Axes) -> list[Markup]:
    parts = []
    for number, (t, value, used) in enumerate(one["floors"], 1):
        if value is not None:
            said = f"floor {number}: {amount(value, one['unit'])}{'' if used else ', not used'}"
            dot = tag("title", said)
            parts.append(
                tag("circle", dot, klass="floor" if used else "floor left", cx=axes.x(t), cy=axes.y(value), r=3.5)
            )
    return parts


def _marks(charts: dict[str, Any], axes: Axes) -> list[Markup]:
    """Where a new segment begins: nothing is compared across it."""
    parts = []
    for segment in charts["segments"]:
        x = axes.x(segment["t"])
        said = tag("title", f"new segment: {plain(segment['why'])}")
        parts.append(tag("line", said, klass="segment", x1=x, x2=x, y1=TOP, y2=HEIGHT - BOTTOM))
    return parts
