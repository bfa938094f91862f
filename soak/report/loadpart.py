"""The load section of a report: sums over all cycles, percentiles from merged histograms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from soak.load.histogram import Histogram, merged
from soak_storage.records import EventRow, LoadCycleRow


def load_section(rows: Sequence[LoadCycleRow], capacity: Sequence[EventRow] = ()) -> dict[str, Any]:
    """What was due, sent, landed and failed, and how long it took, over all and per scenario.

    `breaking_point`: what a search for the capacity has found so far; None for other profiles.
    """
    names = sorted({row.scenario for row in rows})
    return {
        **_sums(rows),
        "breaking_point": dict(capacity[-1].detail) if capacity else None,
        "scenarios": [{"name": name, **_sums([row for row in rows if row.scenario == name])} for name in names],
        "cycles": [
            {"cycle": cycle, **_sums([row for row in rows if row.cycle == cycle])}
            for cycle in sorted({row.cycle for row in rows})
        ],
    }


def _sums(rows: Sequence[LoadCycleRow]) -> dict[str, Any]:
    return {
        "due": sum(row.due for row in rows),
        "requests": sum(row.sent for row in rows),
        "landed": sum(row.landed for row in rows),
        "errors": sum(row.failed for row in rows),
        "dropped": sum(row.dropped for row in rows),
        "faulted": sum(_counted(row.detail.get("faulted")) for row in rows),
        "limited": any(row.limited for row in rows),
        "latency_ms": _latency(row.response for row in rows),
        "service_ms": _latency(row.service for row in rows),
        "errors_by_kind": _added(row.errors for row in rows),
        "checks": _added(row.checks for row in rows),
    }


def _counted(faulted: object) -> int:
    """Requests broken on purpose, stored by kind or as one number."""
    if isinstance(faulted, dict):
        return sum(int(count) for count in faulted.values())
    return int(faulted) if isinstance(faulted, int | float) else 0


def _latency(blobs: Iterable[bytes]) -> dict[str, float | None]:
    total = merged(Histogram.from_bytes(blob) for blob in blobs if blob)
    table = total.percentiles_ms()
    return {name: table[name] for name in ("p50", "p95", "p99", "max")}


def _added(tables: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Counts by name, most first; what is no count is left out."""
    total: dict[str, int] = {}
    for table in tables:
        for name, count in table.items():
            if isinstance(count, int) and not isinstance(count, bool):
                total[str(name)] = total.get(str(name), 0) + count
    return dict(sorted(total.items(), key=lambda item: -item[1]))
