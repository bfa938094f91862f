"""How soon a report is there: a night of 12 hours at a sample a second with 200 places in the code, and 1,000 runs.

`python -m benchmarks.reports`. Each command runs as a user types it, in a process of its own: the best of `TIMES` wall
times, and the most memory of any. The peer is the least that could be done: a Python with nothing but sqlite3 and json
that reads the same rows and prints them.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import quick
from benchmarks.reports.browser import chromium, first_loads

TIMES = quick.sized(5, 1)
MORE, MANY = quick.sized((199, 1000), (19, 50))  # runs: beside the night, and in a store of their own
RUN = 1
PEER_REPORT = "import json, sqlite3, sys; print(len(json.loads(sqlite3.connect(sys.argv[1]).execute(" + (
    "'SELECT result FROM analyses').fetchone()[0])))"
)
PEER_RUNS = "import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).execute('SELECT * FROM runs'), sep='\\n')"


@dataclass(frozen=True)
class Cost:
    """What a command took."""

    seconds: float
    cpu: float
    memory_mb: float


def cost_of(command: Sequence[str], times: int = TIMES) -> Cost:
    """The best wall time, the least processor time and the most resident memory of `times` runs."""
    seconds, cpu, memory = [], [], []
    for _ in range(times):
        begun = time.perf_counter()
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(child.pid, 0)
        seconds.append(time.perf_counter() - begun)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise SystemExit(f"{' '.join(command)} ended with {child.returncode}")
        cpu.append(used.ru_utime + used.ru_stime)
        memory.append(used.ru_maxrss / 1024)
    return Cost(min(seconds), min(cpu), max(memory))


def soak(url: str, *words: str) -> list[str]:
    """The command line of soak on a store."""
    return [sys.executable, "-P", "-m", "soak", "--store", url, *words]


def make(what: str, url: str, count: int = 1) -> None:
    """Fill a store, in a process of its own: what a child is said to need begins with the memory of its parent."""
    subprocess.run([sys.executable, "-m", "benchmarks.reports.night", what, url, str(count)], check=True)


def took(what: str, ours: Cost, goal: float, peer: Cost | None = None) -> bool:
    """A row of wall time, with the processor time beside it: on a busy machine that is what can be compared."""
    return line(f"{what} ({ours.cpu:.2f} s of cpu)", ours.seconds, "s", goal, peer and peer.seconds)


def line(what: str, figure: float, unit: str, goal: float, peer: float | None = None) -> bool:
    """Print a row; is the goal made?"""
    made = figure <= goal
    beside = f"{peer:9.2f} {figure / peer:7.1f}x" if peer else " " * 18
    print(f"{what:52}{figure:9.2f} {unit:3} {beside}   goal {goal:g} {unit:3} {'ok' if made else 'MISSED'}")
    return made


def report_rows(folder: Path) -> list[bool]:
    """The night: text, HTML, memory, size."""
    file = folder / "night.db"
    url = f"sqlite:///{file}"
    make("night", url)
    page = folder / "night.html"
    least = cost_of([sys.executable, "-c", PEER_REPORT, str(file)])
    text = cost_of(soak(url, "report", str(RUN)))
    html = cost_of(soak(url, "report", str(RUN), "--format", "html", "-o", str(page)))
    fresh = cost_of(soak(url, "report", str(RUN), "--fresh"), min(TIMES, 2))
    make("runs", url, MORE)
    pages = first_loads(url) if not quick.QUICK else {}
    return [
        *(line(f"dashboard, first load of {path}", seconds, "s", 2.0) for path, seconds in pages.items()),
        took("soak report, text", text, 1.0, least),
        took("soak report, HTML", html, 3.0, least),
        line("  memory, text", text.memory_mb, "MB", 200.0, least.memory_mb),
        line("  memory, HTML", html.memory_mb, "MB", 200.0, least.memory_mb),
        line("  size of the HTML", page.stat().st_size / 2**20, "MB", 1.0),
        took("soak report --fresh: judged again", fresh, 10.0),
        line("  memory, judged again", fresh.memory_mb, "MB", 200.0),
    ]


def runs_rows(folder: Path) -> list[bool]:
    """Many runs in a list."""
    file = folder / "runs.db"
    url = f"sqlite:///{file}"
    make("runs", url, MANY)
    least = cost_of([sys.executable, "-c", PEER_RUNS, str(file)])
    listed = cost_of(soak(url, "runs"))
    return [
        took(f"soak runs, {MANY:,} of them", listed, 0.5, least),
        took("soak --version", cost_of(soak(url, "--version")), 0.5),
    ]


def main() -> int:
    """Print every figure; 1 when a goal was missed."""
    print(f"Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}, {os.cpu_count()} processors")
    if quick.QUICK:
        print("dashboard, first loads: not in quick mode, a browser takes longer than all of this")
    else:
        chromium()  # or the end, before anything was measured
    print(f"{'':52}{'soak':>9}     {'least':>9} {'ratio':>8}")
    with tempfile.TemporaryDirectory() as folder:
        made = [*report_rows(Path(folder)), *runs_rows(Path(folder))]
    return 0 if all(made) else 1


if __name__ == "__main__":
    sys.exit(quick.run(main))
