"""`python -m benchmarks.processes [--runs 10] [--benign 100] [--parallel 4]`: real runs against what was planted.

Goals: 0 and 0.5 times the limit never a leak; 2 and 5 times a leak in 95 %; the interval holds the truth in 90 %; less
than 2 % of 100 benign runs accused.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.processes.cases import CYCLE, CYCLES, RATES, Case, cases

PATIENCE = CYCLE * CYCLES + 120.0
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
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False)
        file = folder / "report.json"
        if not file.exists():
            return Score(case, f"no report: {done.stderr.strip()[-200:]}", {})
        return scored(case, json.loads(file.read_text()))


def scored(case: Case, report: dict[str, Any]) -> Score:
    """The verdict, and whether the truth lies in the intervals of the memory series."""
    truth = case.bytes_per_request() * report["load"]["landed"] / report["run"]["cycles"] * 3600.0 / CYCLE
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


def main() -> int:
    """Run everything and print the table; 1 when a planted truth did not come out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10, help="of each planted rate")
    parser.add_argument("--benign", type=int, default=100, help="runs over the benign shapes")
    parser.add_argument("--parallel", type=int, default=4, help="soaks at the same time")
    options = parser.parse_args()
    scores = []
    with ThreadPoolExecutor(options.parallel) as pool:
        for score in pool.map(soak, cases(options.runs, options.benign)):
            scores.append(score)
            wrong = score.verdict not in ("leak", "clean", "inconclusive")
            if wrong or (score.verdict == "leak") != (score.case.rate >= 1.0):
                print(f"{score.case.name}: {score.verdict}", flush=True)
    print(table(scores, options.runs))
    accused = [s for s in scores if s.verdict == "leak" and s.case.rate < 1.0]
    missed = [s for s in scores if s.verdict != "leak" and s.case.rate >= 2.0]
    print(f"accused wrongly: {len(accused)}; missed at 2 x and 5 x: {len(missed)}")
    return 1 if accused or missed else 0


if __name__ == "__main__":
    sys.exit(main())
