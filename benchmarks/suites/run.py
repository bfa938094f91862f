"""`python -m benchmarks.suites.run [--python PATH] [SUITE ...]`: the table; 1 when a test breaks beside the agent."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from benchmarks import quick
from benchmarks.suites.running import FRAMEWORKS, LIMIT_S, STANDARD, Compared, framework, has_tests, standard, version

SUITES = quick.sized((*STANDARD, *FRAMEWORKS), ("test_contextlib",))


def broken(compared: Compared) -> list[str]:
    """Tests that pass without the agent and do not beside it, be it that they are skipped there or not run at all.

    A suite of which nothing passes without the agent shows nothing: it counts by its own name.
    """
    passed = [one for one, outcome in compared.without.items() if outcome == "passed"]
    return [one for one in passed if compared.beside.get(one) != "passed"] if passed else [compared.name]


def main() -> int:
    """Run what is wanted and print a row for each suite."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", action="append", help="interpreters (default: this one)")
    parser.add_argument("--cache", default=str(Path.home() / ".cache/soak-suites"), help="folder for environments")
    parser.add_argument("suites", nargs="*", help=f"of {', '.join([*STANDARD, *FRAMEWORKS])} (default: all)")
    args = parser.parse_args()
    wanted, pythons = args.suites or SUITES, args.python or [sys.executable]
    for python in pythons:
        if not has_tests(python):
            raise quick.LeftOut(f"{python} came without its tests")
    bad = []
    print("| suite | Python | passed / failed / skipped without the agent | otherwise beside it |\n|---|---|---|---|")
    for python in pythons:
        for name in wanted:
            try:
                compared = framework(python, name, Path(args.cache)) if name in FRAMEWORKS else standard(python, name)
            except subprocess.TimeoutExpired:
                print(f"| {name} | {version(python)} | did not end within {LIMIT_S} s | |", flush=True)
                bad.append(name)
                continue
            print(compared.line(), flush=True)
            bad += broken(compared)
    print(
        "ok: nothing breaks beside the agent"
        if not bad
        else f"MISSED: {len(bad)} tests break or are gone, or suites do not end or run"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(quick.run(main))
