"""Numbers as people read them. Sizes are binary, as in systemd: 1 KB = 1,024 bytes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

_SIZES = (("GB", 1024.0**3), ("MB", 1024.0**2), ("KB", 1024.0))


def short(value: float) -> str:
    """Three significant digits without an exponent: 0.012, 1.23, 45.6, 7,890."""
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}".removesuffix(".0")
    if size >= 1 or value == 0:
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return f"{value:.2g}" if size >= 0.0001 else "0"


def amount(value: float | None, unit: str) -> str:
    """`value` in bytes, count or ratio with its unit, as 1.2 MB, 37 or 80 %; a dash where there is none."""
    if value is None:
        return "-"
    if unit == "ratio":
        return f"{short(value * 100)} %"
    if unit != "bytes":
        return short(value)
    name, factor = size_of(abs(value))
    return f"{short(value / factor)} {name}"


def size_of(value: float) -> tuple[str, float]:
    """The unit that fits `value` bytes, as (name, bytes)."""
    return next(((name, factor) for name, factor in _SIZES if value >= 0.995 * factor), ("B", 1.0))


def rate(value: float | None, unit: str, per: str = "h") -> str:
    """A signed growth: +1.2 MB/h, +37/h."""
    if value is None:
        return "-"
    text = amount(value, unit)
    return f"{'+' if value > 0 and text[0].isdigit() and text.strip(' 0B') else ''}{text}/{per}"


def interval(bounds: Sequence[float | None] | None, unit: str) -> str:
    """Both ends in the unit of the larger one: `1.1 to 1.3 MB`; a dash where an end is not known."""
    if bounds is None or bounds[0] is None or bounds[1] is None:
        return "-"
    low, high = bounds[0], bounds[1]
    if unit == "ratio":
        return f"{short(low * 100)} to {short(high * 100)} %"
    if unit != "bytes":
        return f"{short(low)} to {short(high)}"
    name, factor = size_of(max(abs(low), abs(high)))
    return f"{short(low / factor)} to {short(high / factor)} {name}"


def share(value: float | None) -> str:
    """A share of 1 as a whole percentage; 99.9 % stays below 100 %."""
    if value is None:
        return "-"
    percent = value * 100
    if 0 < percent < 1:
        return "<1 %"
    return f"{min(percent, 99.4) if value < 1 else percent:.0f} %"


def duration(seconds: float | None) -> str:
    """Seconds as 45s, 12m, 1h30m, 3.2 days."""
    if seconds is None:
        return "-"
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 120:
        return f"{short(seconds)}s"
    minutes = round(seconds / 60)
    if minutes < 120 and minutes != 60:
        return f"{minutes}m"
    hours, minutes = divmod(minutes, 60)
    return f"{short(seconds / 86400)} days" if hours >= 72 else f"{hours}h{minutes:02d}m" if minutes else f"{hours}h"


def moment(epoch: float) -> str:
    """Seconds since the epoch as ISO 8601 in UTC with a Z, whole seconds."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def plural(count: float, noun: str, many: str | None = None) -> str:
    """`1 cycle`, `2 cycles`."""
    return f"{short(count)} {noun if count == 1 else many or noun + 's'}"
