"""`python -m benchmarks.processes [--runs 10] [--benign 100] [--parallel 8]`: real runs against what was planted.

150 runs of 8 cycles of 6 s; eight at a time, they take 20 to 30 minutes on two cores. Prints what was said at each
planted rate, and the figures beside their floors and goals; 1 when a floor is missed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import quick
from benchmarks.processes.cases import CYCLE, CYCLES, RATES, Case, cases

PATIENCE = CYCLE * CYCLES + 300.0
DECIDED = ("python_heap", "rss")


@dataclass(frozen=True, slots=True)
class Score:
    """How one run came out; `held` says for each memory series whether its interval held the truth."""

    case: Case
    verdict: str
    held: dict[str, bool]


def soak(case: Case) -> Score:
    """One real run in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="soak-bench-") as name:
        folder = Path(name)
        case.write(folder)
        command = [sys.executable, "-P", "-m", "soak", "run", "-q", "--json", "report.json"]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False)
        except subprocess.TimeoutExpired:
            return Score(case, f"no report within {PATIENCE:.0f} s", {})
        file = folder / "report.json"
        if not file.exists():
            return Score(case, f"no report: {done.stderr.strip()[-200:]}", {})
        return scored(case, json.loads(file.read_text()))


def scored(case: Case, report: dict[str, Any]) -> Score:
    """The verdict, and whether the truth lies in the intervals of the memory series."""
    truth = case.bytes_per_request() * report["load"]["landed"] / (report["run"]["cycles"] or 1) * 3600.0 / CYCLE
    held = {}
    for row in report["series"]:
        if row["process"] == "total" and row["name"] in DECIDED and row["ci95"][0] is not None:
            held[row["name"]] = row["ci95"][0] <= truth <= row["ci95"][1]
    return Score(case, report["verdict"], held)


def share(values: Iterable[bool]) -> str:
    """So many of so many."""
    seen = list(values)
    return f"{sum(seen)}/{len(seen)}" if seen else "-"


def table(scores: Sequence[Score], planted: int) -> str:
    """One line for each rate, one for the benign shapes."""
    lines = [f"{'planted':>14} {'runs':>5} {'leak':>7} {'clean':>7} {'other':>7} {'heap held':>10} {'rss held':>9}"]
    groups = [
        (f"{rate:g} x limit", [s for s in scores if s.case.rate == rate and s.case.number < planted]) for rate in RATES
    ]
    groups.append(("benign shapes", [score for score in scores if score.case.number >= planted]))
    for name, group in groups:
        leak, clean = (sum(score.verdict == word for score in group) for word in ("leak", "clean"))
        held = [share(score.held[one] for score in group if one in score.held) for one in DECIDED]
        other = len(group) - leak - clean
        lines.append(f"{name:>14} {len(group):>5} {leak:>7} {clean:>7} {other:>7} {held[0]:>10} {held[1]:>9}")
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure in per cent with its floor and goal; `most`: it must be below them, else at or above."""

    name: str
    right: Sequence[bool]
    floor: float
    goal: float
    most: bool = False

    def __str__(self) -> str:
        seen = 100.0 * sum(self.right) / max(1, len(self.right))
        floor, goal = ((seen < x if self.most else seen >= x) for x in (self.floor, self.goal))
        sign = "<" if self.most else ">="
        said = "ok" if goal else "floor" if floor else "MISSED"
        return (
            f"{self.name:<44} {sum(self.right):>4} of {len(self.right):<4} {seen:>6.1f} %"
            f"   floor {sign} {self.floor:g} %   goal {sign} {self.goal:g} %   {said}"
        )


def figures(scores: Sequence[Score], planted: int) -> list[Figure]:
    """What the issue asks for. Benign: nothing planted, with innocent switches or without."""
    quiet = [s for s in scores if s.case.rate in (0.0, 0.5) and s.case.number < planted]
    loud = [s for s in scores if s.case.rate >= 2.0]
    benign = [s for s in scores if s.case.rate == 0.0]
    held = {one: [s.held[one] for s in scores if one in s.held] for one in DECIDED}
    return [
        Figure("false verdict on benign processes", [s.verdict == "leak" for s in benign], 2.0, 1.0, most=True),
        Figure("no leak at 0 and 0.5 x limit", [s.verdict != "leak" for s in quiet], 100.0, 100.0),
        Figure("leak at 2 and 5 x limit", [s.verdict == "leak" for s in loud], 95.0, 100.0),
        Figure("interval of the Python heap holds the truth", held["python_heap"], 90.0, 95.0),
        Figure("interval of rss holds the truth", held["rss"], 90.0, 95.0),
    ]


def main() -> int:
    """Run everything and print the table and the figures; 1 when a floor is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=quick.sized(10, 1), help="of each planted rate")
    parser.add_argument("--benign", type=int, default=quick.sized(100, 1), help="runs over the benign shapes")
    parser.add_argument("--parallel", type=int, default=quick.sized(8, 2), help="soaks at the same time")
    options = parser.parse_args()
    scores = []
    begun = time.monotonic()
    with ThreadPoolExecutor(options.parallel) as pool:
        for score in pool.map(soak, cases(options.runs, options.benign)):
            scores.append(score)
            wrong = score.verdict not in ("leak", "clean", "inconclusive")
            if wrong or (score.verdict == "leak") != (score.case.rate >= 1.0):
                print(f"{score.case.name}: {score.verdict}", flush=True)
    print(table(scores, options.runs))
    found = figures(scores, options.runs)
    print("", *found, sep="\n")
    print(f"\n{len(scores)} soaks in {(time.monotonic() - begun) / 60:.1f} minutes, {options.parallel} at a time")
    return 1 if any(str(figure).endswith("MISSED") for figure in found if figure.right) else 0


if __name__ == "__main__":
    sys.exit(quick.run(main))
