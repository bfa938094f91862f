"""`python -m benchmarks.overhead [PAIRS]`: what observers cost a target in CPU and memory, paired, beside their peers.

The kinds of target: computation, a web request that opens two files, asyncio tasks. The ratio of a cell is CPU with the
observer over CPU without it, from phases that take turns in one process; the first line is the null control. 1 when a
goal was missed.
"""

from __future__ import annotations

import sys

from benchmarks import quick
from benchmarks.heap.cells import MB, PAIRS, Ratio, cpu, few, judged, judged_cpu, resident, told
from benchmarks.heap.setup import compiled, environment

KINDS = quick.sized({"pure": "pure", "wsgi": "files", "aio": "aio"}, {"wsgi": "files"})  # column: workload
OUTSIDE, IDLE, HANDLES = "soak from outside", "agent idle", "agent, handles"
SAMPLER, TRACEMALLOC, PEER = "agent, sampler", "agent, tracemalloc", "ddtrace 512 KiB"
CHEAP = ("null", OUTSIDE, IDLE, HANDLES, SAMPLER, PEER)
GOALS = {OUTSIDE: 1.01, IDLE: 1.01, HANDLES: 1.02, SAMPLER: 1.05}
DEAR = (TRACEMALLOC, "tracemalloc 1 frame", "memray")  # several times slower: a few pairs show it


def main() -> int:
    """Print the table, then the goals; 1 when one was missed."""
    python = environment()
    compiled()
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS
    print(f"CPU of the target, with over without, median of {pairs} pairs of phases (± 95 %); MB resident, wsgi\n")
    print(f"{'':<22}" + "".join(f"{kind:>18}" for kind in KINDS) + f"{'MB':>10}")
    cells: dict[tuple[str, str], Ratio] = {}
    added: dict[str, float] = {}
    for tool in CHEAP + DEAR:
        for kind, workload in KINDS.items():
            cells[tool, kind] = cpu(python, workload, tool, pairs if tool in CHEAP else few(pairs))
        added[tool] = resident(python, KINDS["wsgi"], tool) / MB - added.get("null", 0)
        shown = 0.0 if tool == "null" else added[tool]
        print(f"{tool:<22}" + "".join(f"{cells[tool, kind]!s:>18}" for kind in KINDS) + f"{shown:>10.1f}", flush=True)
    print("\ngoals (CPU: what ours adds over what the peer adds)\n")
    found = [
        judged_cpu(f"CPU, {tool}, {kind}", cells[tool, kind], goal, cells["null", kind], PEER, cells[PEER, kind])
        for tool, goal in GOALS.items()
        for kind in KINDS
    ]
    found.append(judged("memory, agent idle", added[IDLE], 2, unit="MB", peer=PEER, beside=added[PEER]))
    return told(found)


if __name__ == "__main__":
    sys.exit(quick.run(main))
