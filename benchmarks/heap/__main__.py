"""`python -m benchmarks.heap [PAIRS]`: what the heap sampler costs and finds, beside its peers, in one run."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.heap.setup import HERE, ROOT, environment

SOURCE = ROOT / "probes" / "soak_heap"
WORKLOADS = ("alloc", "pure", "wsgi", "aio")
GOALS = {"alloc": 1.08, "pure": 1.05, "wsgi": 1.05, "aio": 1.05}
CHEAP = ("null", "soak 64 KiB", "soak 512 KiB", "soak 64 KiB preloaded", "ddtrace 512 KiB")
DEAR = ("tracemalloc 1 frame", "memray")  # several times slower: a few pairs show it
MEMORY = ("null", "soak 64 KiB", "soak 64 KiB preloaded", "tracemalloc 1 frame", "memray", "ddtrace 512 KiB")
MB = 1 << 20
SEEDS = range(1, 11)


def run(python: Path, script: str, *arguments: object, preload: bool = False) -> str:
    """The last line that a script of ours prints in the benchmark's environment."""
    library = SOURCE / "_soak_heap.so"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environ |= {
        "SOAK_HEAP_SOURCE": str(SOURCE / "sampler.py"),
        "SOAK_HEAP_LIBRARY": str(library),
        "PYTHONHASHSEED": "0",
    }
    if preload:
        environ["LD_PRELOAD"] = str(library)
    command = [str(python), str(HERE / script), *map(str, arguments)]
    done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.splitlines()[-1]


def measured(python: Path, what: str, workload: str, tool: str, *more: object) -> str:
    """One cell; a tool's name says whether the library is preloaded."""
    preload = tool.endswith(" preloaded")
    return run(python, "cost.py", what, workload, tool.removesuffix(" preloaded"), *more, preload=preload)


def cpu(python: Path, pairs: int) -> None:
    """Median of paired ratios, with the 95 % interval of the median (1.58 IQR / sqrt n, McGill 1978)."""
    print(f"CPU of the target, on over off, median of {pairs} pairs of phases (goal alloc 1.08, the others 1.05)\n")
    print(f"{'':<24}" + "".join(f"{name:>18}" for name in WORKLOADS))
    for tool in CHEAP + DEAR:
        cells = []
        for workload in WORKLOADS:
            count = pairs if tool in CHEAP else max(3, pairs // 4)
            ratios = json.loads(measured(python, "cpu", workload, tool, count))
            low, _, high = statistics.quantiles(ratios, n=4)
            half = 1.58 * (high - low) / len(ratios) ** 0.5
            cells.append(f"{statistics.median(ratios):.3f} ± {half:.3f}")
        print(f"{tool:<24}" + "".join(f"{cell:>18}" for cell in cells), flush=True)


def memory(python: Path) -> None:
    """Resident memory added to the wsgi workload, median of three processes."""
    print("\nresident memory added to the wsgi workload, median of 3 (goal 3 MB)\n")
    base = 0.0
    for tool in MEMORY:
        found = statistics.median(int(measured(python, "memory", "wsgi", tool)) for _ in range(3))
        base = base or found
        print(f"{tool:<24}{(found - base) / MB:>12.1f} MB", flush=True)


def ranking(python: Path) -> None:
    """The leak beside 200 MB of live heap, over ten seeds."""
    found = [json.loads(run(python, "ranking.py", seed)) for seed in SEEDS]
    leaked = sorted(result["leaked"] for result in found)
    print("\na leak of 50 KB a cycle beside 200 MB of live heap, a tenth of it replaced in each cycle, 64 KiB\n")
    print(f"MB leaked until it ranks first three readings running: median {statistics.median(leaked):.2f} (goal 1),")
    print(f"  of ten seeds: {', '.join(f'{value:.2f}' for value in leaked)}")
    live, dump, own = (statistics.median(result[key] for result in found) for key in ("live", "dump", "own"))
    print(f"dump of {live:.0f} live samples, without the GIL: {dump * 1000:.2f} ms (goal 2 ms at 2,000)")
    print(f"the sampler's own memory with them: {own / MB:.1f} MB (goal 3 MB)")


def main() -> None:
    """Print the tables. The library is built from the source as it is."""
    python = environment()
    subprocess.run([sys.executable, SOURCE / "build.py"], check=True)
    cpu(python, int(sys.argv[1]) if len(sys.argv) > 1 else 12)
    memory(python)
    ranking(python)


if __name__ == "__main__":
    main()
