"""`python -m benchmarks.verdicts [--quick] [--seed N] [--reps N] [--short]`: prints the tables of how detection works.

Everything is seeded: the same arguments print the same numbers. `--short` judges cycles of 40 s sampled every 0.5 s
against limits per cycle; the default is hour-long cycles sampled every 10 s. 1 when a floor is missed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from benchmarks import quick
from benchmarks.verdicts import held_out, shapes, strangers
from benchmarks.verdicts.cost import HOURS, SERIES
from benchmarks.verdicts.methods import METHODS, Method, Said
from benchmarks.verdicts.noise import Grid
from benchmarks.verdicts.series import Family, Series, limit_of

FAMILIES = {"developed on": shapes.FAMILY, "held out": held_out.FAMILY, "of strangers": strangers.FAMILY}
FACTORS = quick.sized((0.5, 1.0, 1.5, 2.0, 5.0, 20.0), (0.5, 2.0))
NUMBERS = quick.sized((3, 4, 6, 8, 12), (3, 4))  # of cycles
WEAKEST = 60.0  # per cent of a shape's intervals that hold the truth: 62 at the weakest when this was set
SETTLE = 0.01  # of a cycle: soak adds a settle time to the end of the load


@dataclass
class Score:
    """Counts over many series."""

    said: dict[str, int] = field(default_factory=lambda: {"leak": 0, "clean": 0, "inconclusive": 0})
    covered: int = 0
    with_interval: int = 0

    def add(self, s: Series, said: Said) -> None:
        """Take one answer."""
        self.said[said.verdict] += 1
        if not (np.isnan(said.low) or np.isnan(s.truth)):
            self.with_interval += 1
            slack = 1e-9 * s.limit
            self.covered += said.low - slack <= s.truth <= said.high + slack

    @property
    def coverage(self) -> float:
        """Share of the intervals that hold the truth."""
        return self.covered / self.with_interval if self.with_interval else float("nan")

    def share(self, verdict: str) -> float:
        """Share of a verdict."""
        return self.said[verdict] / max(1, sum(self.said.values()))


@dataclass(frozen=True, slots=True)
class Row:
    """A figure in per cent; whether it is `good` (its floor) and `best` (its goal)."""

    name: str
    seen: float
    floor: str
    goal: str
    good: bool
    best: bool

    @property
    def said(self) -> str:
        """MISSED below the floor."""
        return "ok" if self.best else "floor" if self.good else "MISSED"


Scores = dict[tuple[str, str, float], Score]  # (benign or leaking, shape, factor)


def cases(family: Family, factors: Iterable[float]) -> list[tuple[str, str, float]]:
    """Every shape at every factor; benign shapes once."""
    leaking = [("leaking", n, f) for n in sorted(family.leaking) for f in factors]
    return [("benign", n, 0.0) for n in sorted(family.benign)] + leaking


def run(
    family: Family, methods: dict[str, Method], g: Grid, factors: Iterable[float], seed: int, reps: int
) -> dict[str, Scores]:
    """Score methods on the same series."""
    scores: dict[str, Scores] = {name: {} for name in methods}
    for number, (truth, name, factor) in enumerate(cases(family, factors)):
        shape = (family.benign if truth == "benign" else family.leaking)[name]
        for rep in range(reps):
            rng = np.random.default_rng([seed, g.cycles, number, rep])
            own = family.grid(rng, g)
            s = shape(rng, own, factor * limit_of(name, own))
            for method, function in methods.items():
                score = scores[method].setdefault((truth, name, factor), Score())
                score.add(s, function(s, own.cycle_seconds, own.quiet + SETTLE))
    return scores


def mean(scores: Scores, verdict: str, truth: str, factor: float) -> float:
    """Mean over shapes of the share of a verdict, in per cent."""
    return 100 * float(np.mean([s.share(verdict) for (t, _, f), s in scores.items() if (t, f) == (truth, factor)]))


def coverage(scores: Scores, truth: str) -> float:
    """Mean over shapes of the coverage of the 95 % interval, in per cent; NaN without intervals."""
    found = [s.coverage for (t, _, _), s in scores.items() if t == truth and s.with_interval]
    return 100 * float(np.mean(found)) if found else float("nan")


def headline(scores: dict[str, Scores]) -> list[str]:
    """The table of methods."""
    rows = [
        "| method | leak on benign | leak at 0.5 x | leak at 2 x | clean at 2 x | clean on benign | coverage |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, s in scores.items():
        rows.append(
            f"| {name} | {mean(s, 'leak', 'benign', 0.0):.2f} % | {mean(s, 'leak', 'leaking', 0.5):.2f} % "
            f"| {mean(s, 'leak', 'leaking', 2.0):.1f} % | {mean(s, 'clean', 'leaking', 2.0):.2f} % "
            f"| {mean(s, 'clean', 'benign', 0.0):.1f} % | {_covered(s)} |"
        )
    return rows


def _covered(scores: Scores) -> str:
    held = [coverage(scores, truth) for truth in ("leaking", "benign")]
    return "-" if any(np.isnan(held)) else f"{held[0]:.0f} / {held[1]:.0f}"


def by_factor(scores: Scores, factors: Iterable[float]) -> list[str]:
    """What soak says at each rate."""
    rows = ["| rate / limit | leak | inconclusive | clean |", "|---|---|---|---|"]
    for f in factors:
        leak, clean = (mean(scores, v, "leaking", f) for v in ("leak", "clean"))
        rows.append(f"| {f:g} | {leak:.1f} % | {100 - leak - clean:.1f} % | {clean:.2f} % |")
    return rows


def weakest(scores: Scores) -> list[str]:
    """The shapes at which soak is weakest: recall at twice the limit, and coverage."""
    rows = ["| shape | leak at 2 x | clean at 2 x | coverage |", "|---|---|---|---|"]
    at_two = {n: s for (t, n, f), s in scores.items() if (t, f) == ("leaking", 2.0)}
    for n in sorted(at_two, key=lambda n: (at_two[n].share("leak"), at_two[n].coverage))[:8]:
        of_shape = [s for (t, m, _), s in scores.items() if t == "leaking" and m == n and s.with_interval]
        held = 100 * float(np.mean([s.coverage for s in of_shape])) if of_shape else float("nan")
        rows.append(
            f"| {n} | {100 * at_two[n].share('leak'):.0f} % | {100 * at_two[n].share('clean'):.1f} % | {held:.0f} % |"
        )
    return rows


def by_cycles(family: Family, grids: Iterable[Grid], seed: int, reps: int) -> list[str]:
    """Soak at other numbers of cycles."""
    rows = [
        "| cycles | leak on benign | leak at 0.5 x | leak at 2 x | clean at 2 x | clean on benign |",
        "|---|---|---|---|---|---|",
    ]
    for g in grids:
        s = run(family, {"soak": METHODS["soak"]}, g, (0.5, 2.0), seed, reps)["soak"]
        rows.append(
            f"| {g.cycles} | {mean(s, 'leak', 'benign', 0.0):.2f} % | {mean(s, 'leak', 'leaking', 0.5):.2f} % "
            f"| {mean(s, 'leak', 'leaking', 2.0):.0f} % | {mean(s, 'clean', 'leaking', 2.0):.2f} % "
            f"| {mean(s, 'clean', 'benign', 0.0):.0f} % |"
        )
    return rows


def goals(scores: Scores) -> list[Row]:
    """The figures of one family at 8 cycles against what is asked of them."""
    wrong = 0.5 * (mean(scores, "leak", "benign", 0.0) + mean(scores, "leak", "leaking", 0.5))
    held = 0.5 * (coverage(scores, "leaking") + coverage(scores, "benign"))
    rows = [
        _at_most("leak on benign and at 0.5 x", wrong, 0.5, 0.1),
        _at_least("recall at 2 x", mean(scores, "leak", "leaking", 2.0), 94.0, 97.0),
        _at_most("clean at 2 x", mean(scores, "clean", "leaking", 2.0), 0.2, 0.05),
        _at_least("clean on benign", mean(scores, "clean", "benign", 0.0), 93.0, 95.0),
        Row("coverage, mean", held, "93 to 97", "93 to 97", 93 <= held <= 97, 93 <= held <= 97),
    ]
    lowest = 100 * min(_pooled(held) for held in _by_shape(scores).values())
    return [*rows, _at_least("coverage, weakest shape", lowest, WEAKEST, 85.0)]


def _at_least(name: str, seen: float, floor: float, goal: float) -> Row:
    return Row(name, seen, f"{floor:g}", f"> {goal:g}", seen >= floor, seen > goal)


def _at_most(name: str, seen: float, floor: float, goal: float) -> Row:
    return Row(name, seen, f"< {floor:g}", f"< {goal:g}", seen < floor, seen < goal)


def judged(rows: Iterable[Row]) -> list[str]:
    """The table of the figures and what is asked of them."""
    head = ["| figure | seen | floor | goal | |", "|---|---|---|---|---|"]
    return head + [f"| {row.name} | {row.seen:.2f} % | {row.floor} % | {row.goal} % | {row.said} |" for row in rows]


def _by_shape(scores: Scores) -> dict[tuple[str, str], list[Score]]:
    """The scores of a shape at every factor together, where there are intervals."""
    found: dict[tuple[str, str], list[Score]] = {}
    for (truth, name, _), score in scores.items():
        if score.with_interval:
            found.setdefault((truth, name), []).append(score)
    return found


def _pooled(held: list[Score]) -> float:
    return float(np.mean([score.coverage for score in held]))


def cost() -> tuple[str, bool]:
    """What judging takes, measured in a process of its own: the line, and whether it is within the floor."""
    out = subprocess.run(
        [sys.executable, "-m", "benchmarks.verdicts.cost"], capture_output=True, text=True, check=True
    ).stdout.split()
    seconds, size = float(out[0]), float(out[1]) / 1e6
    fine = "ok" if seconds < 2 and size < 120 else "floor" if seconds < 10 and size < 300 else "MISSED"
    line = (
        f"Cost: {SERIES} series of {HOURS} hours at one sample a second: {seconds:.1f} s of CPU, {size:.0f} MB "
        f"resident (floor 10 s and 300 MB, goal 2 s and 120 MB): {fine}"
    )
    return line, fine != "MISSED"


def main() -> int:
    """Print every table; 1 when a floor is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verdicts", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about a minute, coarser numbers")
    parser.add_argument("--short", action="store_true", help="cycles of 40 s with limits per cycle")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--reps", type=int, help="series per shape and rate")
    chosen = parser.parse_args()
    reps = quick.sized(chosen.reps or (5 if chosen.quick else 60), 1)

    def grid(cycles: int) -> Grid:
        """The time axis that was chosen."""
        return Grid(cycles, 40.0, 0.5) if chosen.short else Grid(cycles)

    good = True
    for title, family in FAMILIES.items():
        size = f"{len(family.benign)} benign and {len(family.leaking)} leaking shapes, {reps} series each"
        print(f"\n### Shapes {title}: {size}, 8 cycles\n", flush=True)
        scores = run(family, METHODS, grid(8), FACTORS, chosen.seed, reps)
        asked = goals(scores["soak"])
        good &= all(row.good for row in asked)
        for table in (
            headline(scores),
            judged(asked),
            by_factor(scores["soak"], FACTORS),
            weakest(scores["soak"]),
        ):
            print("\n".join(table), end="\n\n", flush=True)
        print("\n".join(by_cycles(family, map(grid, NUMBERS), chosen.seed + 1, reps)), flush=True)
    line, cheap = cost()
    print("", line, sep="\n")
    return int(not (good and cheap))


if __name__ == "__main__":
    sys.exit(quick.run(main))
