"""The kinds of events of a run, for docs/reference-reports.md."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INTRODUCTION = """\
## Events

What happened in a run, with the second of the run at which it began and ended. They lie in the table `events` of the
store, which `soak db export` writes out; gaps and restarts are in `report.json` too.
"""
MEANINGS = {
    "agent": "what soak did in a target that ran already, such as how its agent got in, and what stays there",
    "capacity": "where the target broke in a search for its capacity, and why; no reason: it has not broken",
    "check": "a check changed its state: healthy, degraded, unhealthy",
    "exit": "the target ended by itself: exit code or signal",
    "fault": "a fault was done to the target, and how long it took to answer again",
    "gap": "samples or counts of the load are missing for a while; `why` says what kept soak from them",
    "holders": "who keeps what grew, in one process",
    "observer": "what soak itself cost so far",
    "oom": "the memory limit of the target's control group killed a process",
    "outage": "a scenario could not reach the target",
    "reading_gap": "the reading of one trough is missing",
    "recycled": "a worker was replaced by its own server, and whatever it had leaked went with it",
    "refused": "series that may not be read by this user: they are gaps",
    "restart": "the target was started again or came back; a new segment begins",
    "sampler_restarted": "another tool took the heap sampler's hooks; it began anew, and with it a segment",
    "state": "a probe of kind state saw another value",
}


def kinds() -> set[str]:
    """Every kind that the source puts into the store."""
    return {kind for path in sorted((ROOT / "soak").rglob("*.py")) for kind in _kinds_in(path)}


def _kinds_in(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    if "EventRow(" not in text:
        return
    tree = ast.parse(text)
    constants = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "EventRow":
            first = call.args[0]
            value = constants.get(first.id) if isinstance(first, ast.Name) else getattr(first, "value", None)
            if not isinstance(value, str):
                raise ValueError(f"{path.name}:{call.lineno}: the kind of this event is not written out")
            yield value
