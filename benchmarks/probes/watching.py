"""Runs `benchmarks.probes.watch` in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.peer_environments import installed
from benchmarks.quick import leaving_out

ROOT = Path(__file__).resolve().parents[2]


def watch(who: str, pid: int, seconds: int, python: str | Path = sys.executable) -> tuple[float, int]:
    """Percent of one core and bytes of memory that it takes `who` (soak or psrecord) to watch a process."""
    command = [python, "-m", "benchmarks.probes.watch", who, str(pid), str(seconds)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    cpu, memory = done.stdout.split()
    return float(cpu) / seconds * 100, int(memory)


def watch_as_psrecord(pid: int, seconds: int) -> float | None:
    """Percent of one core that psrecord needs. LeftOut where it cannot be installed; in quick mode None."""
    with leaving_out("psrecord"):
        return watch("psrecord", pid, seconds, installed("psrecord") / "python")[0]
    return None
