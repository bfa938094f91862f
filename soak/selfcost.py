"""What soak itself costs: its memory, and its processor time from one moment to another."""

from __future__ import annotations

import os
import resource
from pathlib import Path


class SelfCost:
    """Measures this process from its construction on; the short-lived analyses are its children and count."""

    def __init__(self) -> None:
        self._began = _cpu_seconds()
        self._largest = resident_bytes()

    def look(self) -> None:
        """Remember the memory if it is the largest so far."""
        self._largest = max(self._largest, resident_bytes())

    def detail(self, elapsed: float) -> dict[str, float]:
        """`daemon_bytes` (largest seen) and `daemon_cpu_percent` of one core over `elapsed` seconds."""
        self.look()
        used = _cpu_seconds() - self._began
        return {"daemon_bytes": self._largest, "daemon_cpu_percent": 100.0 * used / max(elapsed, 1e-9)}


def resident_bytes() -> int:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _cpu_seconds() -> float:
    mine, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return mine.ru_utime + mine.ru_stime + children.ru_utime + children.ru_stime
