"""Durations, sizes and percentages as people write them, and back again."""

from __future__ import annotations

import re
from decimal import Decimal

_DURATION_UNITS: dict[str, Decimal] = {
    "d": Decimal(86400),
    "h": Decimal(3600),
    "m": Decimal(60),
    "s": Decimal(1),
    "ms": Decimal("0.001"),
}
_SIZE_UNITS: dict[str, int] = {
    "B": 1,
    "KB": 1024,
    "KiB": 1024,
    "MB": 1024**2,
    "MiB": 1024**2,
    "GB": 1024**3,
    "GiB": 1024**3,
    "TB": 1024**4,
    "TiB": 1024**4,
}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|d|h|m|s)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([KMGT]i?B|B)")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?) ?%")


def parse_duration(text: str) -> float:
    """Seconds of `250ms`, `0.5s`, `90s`, `5m`, `1h30m`, `2d`; ValueError for anything else."""
    seconds, position, smallest = Decimal(0), 0, None
    for part in _DURATION_PART.finditer(text):
        unit = _DURATION_UNITS[part[2]]
        if part.start() != position or (smallest is not None and unit >= smallest):
            raise ValueError(text)
        seconds, position, smallest = seconds + Decimal(part[1]) * unit, part.end(), unit
    if smallest is None or position != len(text):
        raise ValueError(text)
    return float(seconds)


def format_duration(seconds: float) -> str:
    """The shortest spelling that `parse_duration` reads back, to the millisecond."""
    rest = round(seconds * 1000)
    parts: list[str] = []
    for unit, size in _DURATION_UNITS.items():
        count, rest = divmod(rest, int(size * 1000))
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def parse_size(text: str) -> float:
    """Bytes of `512B`, `1KB` (1,024), `1.5MiB`; binary as in systemd, KB and KiB mean the same."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return float(Decimal(match[1]) * _SIZE_UNITS[match[2]])


def format_size(size: float) -> str:
    """Bytes in the largest unit that leaves at most three decimals, readable by `parse_size`."""
    for unit in ("TB", "GB", "MB", "KB"):
        scaled = Decimal(size) / _SIZE_UNITS[unit]
        if scaled >= 1 and scaled == round(scaled, 3):
            return f"{scaled.normalize():f}{unit}"
    return f"{Decimal(size).normalize():f}B"


def parse_percent(text: str) -> float:
    """The ratio that `80%` stands for: 0.8."""
    match = _PERCENT.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return float(Decimal(match[1]) / 100)
