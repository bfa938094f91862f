"""Runs `benchmarks.probes.watch` in a process of its own."""

from __future__ import annotations

import subprocess
import sys


def watch(who: str, pid: int, seconds: int) -> tuple[float, int]:
    """Percent of one core and bytes of memory that it takes `who` (soak or psrecord) to watch a process."""
    command = [sys.executable, "-m", "benchmarks.probes.watch", who, str(pid), str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    cpu, memory = done.stdout.split()
    return float(cpu) / seconds * 100, int(memory)
