"""One figure of a table each: what a tool costs one workload, measured in the benchmark's own environment."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.heap.setup import HERE, ROOT, SOURCE
from benchmarks.quick import sized

MB = 1 << 20
PAIRS = sized(12, 2)  # of phases, unless the command line says how many
PHASE = sized((4, 12), (1, 1))  # blocks of a phase: to get warm, and measured
RUNS, PROCESSES = sized((40, 3), (2, 1))  # of the workload, before its memory is read; of which the median is told


@dataclass(frozen=True)
class Ratio:
    """CPU on over off: the median of pairs, and half the 95 % interval of a median (1.58 IQR / sqrt n, McGill 1978)."""

    median: float
    half: float

    def __str__(self) -> str:
        return f"{self.median:.3f} ± {self.half:.3f}"


@dataclass(frozen=True)
class Judged:
    """A figure beside its goal: the line to print, and whether the goal was missed."""

    line: str
    missed: bool


def run(python: Path, script: str, *arguments: object, preload: bool = False) -> list[str]:
    """The lines that a script of ours prints in the benchmark's environment."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environ |= {
        "SOAK_HEAP_SOURCE": str(SOURCE / "sampler.py"),
        "SOAK_HEAP_LIBRARY": str(SOURCE / "_soak_heap.so"),
        "SOAK_ROOT": str(ROOT),
        "SOAK_PYTHON": sys.executable,
        "PYTHONHASHSEED": "0",
    }
    if preload:
        environ["LD_PRELOAD"] = str(SOURCE / "_soak_heap_preload.so")
    command = [str(python), str(HERE / script), *map(str, arguments)]
    done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.splitlines()


def measured(python: Path, what: str, workload: str, tool: str, *more: object) -> str:
    """One cell; a tool's name says whether the library is preloaded."""
    preload = tool.endswith(" preloaded")
    return run(python, "cost.py", what, workload, tool.removesuffix(" preloaded"), *more, preload=preload)[-1]


def cpu(python: Path, workload: str, tool: str, pairs: int) -> Ratio:
    """`pairs` pairs of phases, two at least, in one process."""
    ratios = json.loads(measured(python, "cpu", workload, tool, pairs, *PHASE))
    low, middle, high = statistics.quantiles(ratios, n=4)
    return Ratio(middle, 1.58 * (high - low) / len(ratios) ** 0.5)


def few(pairs: int) -> int:
    """How many for a tool that is several times slower: a few show it."""
    return max(3, pairs // 4) if pairs > 3 else pairs


def resident(python: Path, workload: str, tool: str) -> float:
    """Resident bytes after a warm run with the tool on, median of some processes."""
    return statistics.median(int(measured(python, "memory", workload, tool, RUNS)) for _ in range(PROCESSES))


def judged(
    what: str,
    figure: float,
    goal: float,
    *,
    unit: str = "",
    peer: str = "",
    beside: float | None = None,
    doubt: bool = False,
) -> Judged:
    """The line: the figure, what a peer comes to, their ratio (below 1: ours is less), and whether the goal is met.

    Costs over a null of 1 (CPU ratios) are compared by what they add. With `doubt` a figure within its goal is
    undecided: neither met nor missed.
    """
    added, other = (figure - 1, (beside or 1) - 1) if unit == "x" else (figure, beside or 0.0)
    theirs = "" if beside is None else f"{peer} {beside:.3f}"
    ratio = "" if beside is None or other <= 0 else f"{max(added, 0) / other:.2f} of it"
    missed = not figure <= goal  # no figure (NaN) is none that meets it
    said = "MISSED" if missed else "undecided" if doubt else "ok"
    return Judged(f"{what:<44}{figure:>9.3f} {unit:<3}{theirs:<30}{ratio:<12} goal {goal:g} {said}", missed)


def judged_cpu(what: str, ours: Ratio, goal: float, null: Ratio, peer: str, beside: Ratio) -> Judged:
    """The same of a CPU ratio. A goal of some per cent is met only by one that is known to as much: it is undecided
    where the interval reaches beyond the goal, or where the null control is off by more than the goal allows.
    """
    doubt = ours.median + ours.half > goal or abs(null.median - 1) > goal - 1
    return judged(what, ours.median, goal, unit="x", peer=peer, beside=beside.median, doubt=doubt)


def told(found: Sequence[Judged]) -> int:
    """Print the lines; the exit code: 1 when a goal was missed."""
    print("\n".join(one.line for one in found))
    return int(any(one.missed for one in found))
