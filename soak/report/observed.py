"""What soak cost in the target and beside it, as far as it was measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from soak.report.inputs import RunData
from soak_storage.records import ReadingRow

MOST_NOTES = 20  # on how the agent got in and out: two a process at most
PARTS = ("thread", "births", "heap")


def observer_part(data: RunData) -> dict[str, Any]:
    """The observer of the report; `target_cpu_ratio` is null where no agent could tell."""
    _, held = data.agent_bytes
    pauses = pauses_ms(data)
    measured: dict[str, Any] = {}
    for event in data.of_kind("observer"):
        measured.update(event.detail)
    return {
        "heap": data.agent_mode,
        "target_cpu_ratio": cpu_ratio(data.judged_readings),
        "target_bytes": float(held.max()) if held.size else None,
        "longest_pause_ms": max(pauses.values(), default=None),
        "pauses_ms": pauses,
        "daemon_bytes": measured.get("daemon_bytes"),
        "daemon_cpu_percent": measured.get("daemon_cpu_percent"),
        "warnings": sorted({warning for reading in data.readings for warning in reading.warnings}),
        "notes": [str(event.detail.get("note", "")) for event in data.of_kind("agent")][:MOST_NOTES],
    }


def pauses_ms(data: RunData) -> dict[str, float]:
    """The longest time for which a part of a reading, or of the walk for holders, held the target's threads up."""
    found: dict[str, float] = {}
    told = [reading.detail.get("pauses_ms") or {"reading": reading.pause_ms} for reading in data.readings]
    told += [{"holders": event.detail.get("pause_ms")} for event in data.of_kind("holders")]
    for parts in told:
        for name, pause in parts.items():
            if pause is not None:
                found[name] = max(pause, found.get(name, 0.0))
    return found


def cpu_ratio(readings: Sequence[ReadingRow]) -> float | None:
    """CPU of the target with the agent to that without: all / (all - agent's), from the first reading to the last.

    The agent's is the CPU time of its own thread, the time its audit hook took, and the sampler's, estimated from its
    samples. Summed over processes; None where a part is not known, as under tracemalloc.
    """
    spent = own = 0.0
    for process in {reading.process for reading in readings}:
        told = (one.detail.get("cost") for one in readings if one.process == process)
        costs: list[dict[str, Any]] = [cost for cost in told if cost]
        if not costs or any(cost[part] is None for cost in costs for part in PARTS):
            continue
        first = costs[0] if len(costs) > 1 else dict.fromkeys(("cpu", *PARTS), 0.0)
        spent += costs[-1]["cpu"] - first["cpu"]
        own += sum(costs[-1][part] - first[part] for part in PARTS)
    return spent / (spent - own) if 0.0 <= own < spent else None
