"""`python -m benchmarks.corpus.run [--only leaky|fixed|benign] [CASE ...]`: a row for each run, and the score.

Two minutes and more for each version; 1 when a report is missing, an innocent one is accused, or a leak is not found.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks import quick
from benchmarks.corpus.running import Scored, cases, run

HERE = Path(__file__).parent
OUT = quick.sized("corpus-out", "build/corpus-quick")
CACHE = quick.sized(str(Path.home() / ".cache/soak-corpus"), "build/corpus-quick/cache")
FEW = ("benign-session-ttl", "syn-lru-method")  # for quick mode: a trap and a leak with its mend
HEAD = "| case | resource | version | verdict | leaking | rank | |\n|---|---|---|---|---|---|---|"


def main() -> int:
    """Run what is wanted, so many at a time, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", default=str(HERE), help="folder with a folder for each case")
    parser.add_argument("--soak", default=shutil.which("soak") or str(Path(sys.executable).parent / "soak"))
    parser.add_argument("--only", choices=["leaky", "fixed", "benign"])
    parser.add_argument("--parallel", type=int, default=2, help="runs at a time; they mostly wait")
    parser.add_argument("--cache", default=CACHE, help="folder for environments")
    parser.add_argument("--out", default=OUT, help="folder for runs and reports")
    parser.add_argument("cases", nargs="*")
    args = parser.parse_args()
    wanted = args.cases or quick.sized((), FEW)
    chosen = [case for case in cases(Path(args.corpus)) if not wanted or case.facts["id"] in wanted]
    jobs = [(case, which) for case in chosen for which in case.versions() if args.only in (None, which)]
    out, cache = Path(args.out).resolve(), Path(args.cache).expanduser().resolve()
    print(HEAD, flush=True)
    with ThreadPoolExecutor(args.parallel) as pool:
        waiting = [pool.submit(run, case, which, args.soak, cache, out) for case, which in jobs]
        done: list[Scored] = []
        for future in waiting:
            done.append(future.result())
            print(done[-1].line(), flush=True)
    good = sum(one.good() for one in done)
    print(f"{good} of {len(done)} as expected")
    return 0 if good == len(done) else 1


if __name__ == "__main__":
    sys.exit(quick.run(main))
