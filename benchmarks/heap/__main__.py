"""`python -m benchmarks.heap [PAIRS]`: what the heap sampler costs and finds, beside its peers, in one run.

1 when a goal was missed.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import quick
from benchmarks.heap.cells import MB, PAIRS, PROCESSES, Judged, Ratio, cpu, few, judged, judged_cpu, resident, run, told
from benchmarks.heap.setup import compiled, environment
from soak.analysis import judge_sites

WORKLOADS = quick.sized(("alloc", "pure", "wsgi", "aio"), ("alloc", "wsgi"))
GOALS = {"alloc": 1.08, "pure": 1.05, "wsgi": 1.05, "aio": 1.05}
OURS, PRELOADED, PEER = "soak 64 KiB", "soak 64 KiB preloaded", "ddtrace 512 KiB"
CHEAP = ("null", OURS, "soak 512 KiB", PRELOADED, PEER)
DEAR = ("tracemalloc 1 frame", "memray")  # several times slower: a few pairs show it
MEMORY = ("null", OURS, PRELOADED, "tracemalloc 1 frame", "memray", PEER)
SEEDS = quick.sized(range(1, 11), range(1, 2))
LIVE, CYCLES = quick.sized((200, 40), (5, 6))  # MB beside a small leak, and for how many cycles it is read
NATIVE = quick.sized(50, 5)  # MB
CYCLE = 600.0  # seconds, for the judgement; it does not matter how long they really took


def cpu_table(python: Path, pairs: int) -> Mapping[tuple[str, str], Ratio]:
    """Prints the ratios of every tool on every workload."""
    print(f"CPU of the target, on over off, median of {pairs} pairs of phases in one process (± 95 %)\n")
    print(f"{'':<24}" + "".join(f"{name:>18}" for name in WORKLOADS))
    cells = {}
    for tool in CHEAP + DEAR:
        for workload in WORKLOADS:
            cells[tool, workload] = cpu(python, workload, tool, pairs if tool in CHEAP else few(pairs))
        print(f"{tool:<24}" + "".join(f"{cells[tool, workload]!s:>18}" for workload in WORKLOADS), flush=True)
    return cells


def memory_table(python: Path) -> Mapping[str, float]:
    """Prints and returns the MB added to the wsgi workload."""
    print(f"\nresident memory added to the wsgi workload, median of {PROCESSES} processes\n")
    found = {tool: resident(python, "wsgi", tool) for tool in MEMORY}
    added = {tool: (size - found["null"]) / MB for tool, size in found.items()}
    for tool, size in added.items():
        print(f"{tool:<24}{size:>12.1f} MB", flush=True)
    return added


def first_after(cycles: Sequence[Mapping[str, Any]]) -> float:
    """MB leaked when the leak's site had ranked first in three readings running; infinity when it never did."""
    streak = 0
    for number in range(1, len(cycles) + 1):
        streak = streak + 1 if _suspect([cycle["sites"] for cycle in cycles[:number]]).startswith("leak") else 0
        if streak == 3:
            return float(cycles[number - 1]["leaked"])
    return float("inf")


def _suspect(readings: Sequence[Mapping[str, Any]]) -> str:
    """The site that the project's own judgement ranks first, after so many readings, one a cycle of ten minutes."""
    series = {}
    for name in set().union(*readings):
        there = [(number + 0.9, reading[name]) for number, reading in enumerate(readings) if name in reading]
        series[name] = ([t * CYCLE for t, _ in there], [s[0] for _, s in there], [s[1] for _, s in there])
    ranked = judge_sites(series, CYCLE, math.nan)
    return str(ranked[0].key) if ranked else ""


def ranking(python: Path) -> list[Judged]:
    """The leak beside 200 MB of live heap, over ten seeds."""
    runs = [[json.loads(line) for line in run(python, "ranking.py", seed, LIVE, CYCLES)] for seed in SEEDS]
    leaked, found = sorted(first_after(cycles[:-1]) for cycles in runs), [cycles[-1] for cycles in runs]
    print(f"\na leak of 50 KB a cycle beside {LIVE} MB of live heap, a tenth of it replaced in each cycle, 64 KiB:")
    print(f"MB leaked until it ranks first three readings running: {', '.join(f'{value:.2f}' for value in leaked)}")
    live, dump, own = (statistics.median(result[key] for result in found) for key in ("live", "dump", "own"))
    return [
        judged(f"leak ranks first after (median of {len(SEEDS)} seeds)", statistics.median(leaked), 1, unit="MB"),
        judged(f"dump of {live:.0f} live samples, without the GIL", dump * 1000, 2, unit="ms"),
        judged("the sampler's own tables with them", own / MB, 3, unit="MB"),
    ]


def native(python: Path) -> list[Judged]:
    """50 MB leaked by malloc and by mmap: the largest deviation from the truth over five seeds, as a ratio."""
    found = [json.loads(run(python, "native_leaks.py", seed, NATIVE, preload=True)[-1]) for seed in SEEDS[:5]]
    lines = []
    for kind in ("malloc", "mmap"):
        shares = [result[kind] for result in found]
        listed = ", ".join(f"{share:.3f}" for share in shares)
        print(f"share of {NATIVE} MB leaked by {kind} that is seen, {len(found)} seeds: {listed}")
        lines.append(judged(f"native leak by {kind}, off by at most", max(abs(1 - s) for s in shares), 0.1))
    return lines


def main() -> int:
    """Print the tables, then every goal with its figure; 1 when one was missed. The library is built from the
    source as it is.
    """
    python = environment()
    compiled()
    cells = cpu_table(python, int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS)
    added = memory_table(python)
    rest = ranking(python) + native(python)
    print("\ngoals (CPU: what ours adds over what the peer adds; ± is in the table above)\n")
    found = [
        judged_cpu(f"CPU, {name}", cells[OURS, name], GOALS[name], cells["null", name], PEER, cells[PEER, name])
        for name in WORKLOADS
    ]
    found.append(judged("memory added to wsgi", added[OURS], 3, unit="MB", peer=PEER, beside=added[PEER]))
    return told([*found, *rest])


if __name__ == "__main__":
    sys.exit(quick.run(main))
