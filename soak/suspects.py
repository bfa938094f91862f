"""Which growing sites a sampled heap may have put on the wrong line, or on none: another look is worth its time.

Reasons: the stack is partial, so that the line a person can change is not in it; or small dicts, lists, tuples and
floats grow, whose memory Python hands out again without asking an allocator: a line that churns such objects is then
credited with what another line keeps (docs/heap-sampler.md); or what grows has no line at all, descriptors that nobody
saw being made and memory of C: then the objects of Python that stay with it are looked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FIRST_CYCLE = 1  # what grows in the first cycle is warm-up
SHARE = 0.05  # of the growth: smaller sites are not worth a window of load
# Bytes of a block: a float, a tuple, a dict of two or a list of three takes no more. What they are is not asked: tuples
# of numbers and floats are not counted by the garbage collector.
SMALL = 160.0
UNSEEN = 10  # handles without a place, more than at first
NATIVE = 0.5  # of what memory in use grew by that the Python heap has to explain
PLAIN = ("fd", "socket", "thread", "child")  # kinds of handles that C code makes as well

Sites = dict[tuple[tuple[Any, ...], ...], tuple[float, float, bool]]


class Suspects:
    """Remembers the first and the last reading of each process."""

    def __init__(self) -> None:
        self._first: dict[int, Mapping[str, Any]] = {}
        self._last: dict[int, Mapping[str, Any]] = {}

    def note(self, pid: int, cycle: int, answer: Mapping[str, Any]) -> None:
        """One reading, as the agent gave it."""
        if cycle >= FIRST_CYCLE and answer.get("mode") == "sampler":
            self._first.setdefault(pid, answer)
            self._last[pid] = answer

    def processes(self, least: float) -> dict[int, float]:
        """Processes with a suspect, and by how many bytes their heap grew; `least`: of memory that counts as growth."""
        found = {}
        for pid, last in self._last.items():
            first = self._first[pid]
            grown = (last.get("traced_bytes") or 0.0) - (first.get("traced_bytes") or 0.0)
            if (grown >= max(least, 1.0) and suspect(first, last)) or without_place(first, last, max(least, 1.0)):
                found[pid] = grown
        return found


def suspect(first: Mapping[str, Any], last: Mapping[str, Any]) -> bool:
    """Whether a site that has a part in the growth between two readings may stand on the wrong line."""
    before, after = _sites(first), _sites(last)
    growth = {stack: after[stack][0] - before.get(stack, (0.0, 0.0, False))[0] for stack in after}
    total = sum(size for size in growth.values() if size > 0)
    for stack, size in growth.items():
        if size < SHARE * total or size <= 0:
            continue
        blocks = after[stack][1] - before.get(stack, (0.0, 0.0, False))[1]
        mean = size / blocks if blocks > 0 else size
        if after[stack][2] or mean <= SMALL:
            return True
    return False


def without_place(first: Mapping[str, Any], last: Mapping[str, Any], least: float) -> bool:
    """Whether handles grow that nobody saw being made, or memory in use by `least` bytes that is not of Python."""
    if any(_unseen(last, kind) - _unseen(first, kind) >= UNSEEN for kind in PLAIN):
        return True
    used, heap = _anonymous(last) - _anonymous(first), _grown(first, last, "traced_bytes")
    return used >= least and heap < NATIVE * used


def _anonymous(reading: Mapping[str, Any]) -> float:
    """Bytes that are resident, in no file, and not held free by an allocator."""
    resident = (reading.get("native") or {}).get("anonymous") or 0.0
    return float(resident) - sum(float(reading.get(key) or 0.0) for key in ("malloc_free", "pymalloc_free"))


def _unseen(reading: Mapping[str, Any], kind: str) -> int:
    rows = (row for row in reading.get("handles", ()) if row["kind"] == kind)
    return sum(int(row["count"]) for row in rows if not row["stack"])


def _grown(first: Mapping[str, Any], last: Mapping[str, Any], key: str) -> float:
    return float(last.get(key) or 0.0) - float(first.get(key) or 0.0)


def _sites(reading: Mapping[str, Any]) -> Sites:
    found: Sites = {}
    for site in reading.get("sites", ()):
        if site.get("domain", "python") not in ("malloc", "mmap"):
            stack = tuple(tuple(frame) for frame in site["stack"])
            found[stack] = (site["bytes"], site["count"], bool(site.get("partial")))
    return found
