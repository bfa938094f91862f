"""What growing memory consists of: Python's objects, free memory that allocators hold, mapped files, and the rest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from soak.report.inputs import TOTAL
from soak.report.series import Judged
from soak.report.sites import slope
from soak.report.units import rate

LEAST_READINGS = 3
LEAST_SHARE = 0.01  # of the growth: a smaller part is not worth a word
NAMES = {
    "python": "Python objects",
    "held": "free memory held by the allocators",
    "files": "mapped files",
    "native": "native memory",
}
HELD = ("malloc_free", "pymalloc_free")


def memory_split(series: Sequence[Judged], grows: float, python: float) -> dict[str, float] | None:
    """Bytes per hour by kind, of memory that grows by `grows` from outside and by `python` on Python's heap.

    The sum is `grows`: what no other kind accounts for is native. None without the allocators' figures.
    """
    growth = {name: _slope(series, name) for name in (*HELD, "mapped_files")}
    if all(value is None for value in growth.values()) or grows <= 0:
        return None
    left = grows
    parts = {}
    for name, wanted in (
        ("python", python),
        ("held", sum(growth[name] or 0.0 for name in HELD)),
        ("files", growth["mapped_files"] or 0.0),
    ):
        parts[name] = min(max(wanted, 0.0), left)
        left -= parts[name]
    return {**parts, "native": left}


def held_growth(series: Sequence[Judged]) -> float | None:
    """Bytes per hour by which the free memory grows that allocators hold; None without their figures."""
    known = [value for name in HELD if (value := _slope(series, name)) is not None]
    return sum(known) if known else None


def split_sentence(parts: dict[str, float]) -> str:
    """`+12 MB/h: Python objects +1 MB/h, native memory +11 MB/h`, largest first."""
    total = sum(parts.values())
    named = sorted(parts, key=lambda name: -parts[name])
    return ", ".join(
        f"{NAMES[name]} {rate(parts[name], 'bytes')}" for name in named if parts[name] > LEAST_SHARE * total
    )


def _slope(series: Sequence[Judged], name: str) -> float | None:
    one = next((one for one in series if one.info.name == name and one.info.process == TOTAL), None)
    if one is None:
        return None
    there = ~np.isnan(one.values)
    return slope(one.times[there], one.values[there]) if there.sum() >= LEAST_READINGS else None
