"""What soak cost in the target and beside it, and what its agent had to say, in words."""

from __future__ import annotations

from typing import Any

from soak.report.units import amount, short

MOST_WARNINGS = 3
PAUSES = {
    "gc_collect": "garbage collection",
    "gc_young": "collection of young objects",
    "gc_found": "collection of the garbage that was found",
    "garbage": "looking for garbage",
    "objects": "list of all objects",
    "types": "counting types",
    "loops": "looking for event loops",
    "heap": "copy of the traced heap",
    "holders": "retention paths",
}


def observer_line(observer: dict[str, Any]) -> str:
    """What soak cost in the target and beside it."""
    parts = [f"heap {observer['heap']}"]
    if observer["target_bytes"] is not None:
        parts.append(f"{amount(observer['target_bytes'], 'bytes')} in the target")
    if observer["longest_pause_ms"] is not None:
        parts.append(f"longest pause {short(observer['longest_pause_ms'])} ms{_cause(observer.get('pauses_ms') or {})}")
    if observer["target_cpu_ratio"] is not None:
        parts.append(f"target's cpu x{observer['target_cpu_ratio']:.2f}")
    if observer["daemon_cpu_percent"] is not None:
        parts.append(f"soak itself {observer['daemon_cpu_percent']:.2g} % cpu")
    return f"Observer: {', '.join(parts)}."


def _cause(pauses: dict[str, float]) -> str:
    """What took the longest pause, where that is known."""
    longest = max(pauses, key=lambda name: pauses[name], default="")
    return f" ({PAUSES[longest]})" if longest in PAUSES else ""


def agent_notes(observer: dict[str, Any]) -> list[str]:
    """How the agent got in and out, and what its readings had to leave out."""
    return [*observer.get("notes", []), *observer.get("warnings", [])[:MOST_WARNINGS]]
