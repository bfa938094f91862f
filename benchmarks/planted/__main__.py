"""`python -m benchmarks.planted [LEAK ...]`: list and cache, 1 MB leaked in all; 1 when one is not found by its line.

Found is: the verdict is a leak (three times the limit is lost in each cycle) and the planted line is named first.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import quick
from benchmarks.planted.target import LIVE
from benchmarks.ports import free_port
from soak.demo.leaks import OF_MEMORY, truth

CYCLE_S, QUIET_S, CYCLES = quick.sized((20, 5, 12), (2, 1, 3))
INTERVAL = quick.sized("500ms", "200ms")
RATE = 20
ORDERS = (CYCLE_S - QUIET_S) * RATE * CYCLES
LEAKED = 2**20
HEADER = 49  # of a str
CONFIGURATION = """\
[target]
name = "planted-{leak}"
command = {command}
cwd = {cwd}
env = {{ SOAK_BENCH = "{mode}" }}
url = "http://127.0.0.1:{port}"
ready = "/health"
startup_timeout = "120s"

[sample]
interval = "{interval}"

[load]
profile = "constant"
high = {rate}
cycle = "{cycle}s"
quiet = "{quiet}s"
cycles = {cycles}

[limits]
growth = "{limit}B/cycle"
peak = "4GB"

[[scenario]]
name = "work"
path = "/work"

[storage]
url = "sqlite:///soak.db"
"""


def soak(leak: str, place: Path) -> dict[str, Any]:
    """The report of one run; SystemExit with what it said when it has none."""
    size = LEAKED // ORDERS - HEADER
    command = [sys.executable, "-m", "benchmarks.planted.target", "--port", str(port := free_port())]
    command += ["--leak", leak, "--bytes", str(size), "--innocent="]
    facts = {"leak": leak, "port": port, "rate": RATE, "cycle": CYCLE_S, "quiet": QUIET_S, "cycles": CYCLES}
    facts |= {"interval": INTERVAL, "mode": quick.sized("", "quick")}
    root = str(Path(__file__).parents[2])
    (place / "soak.toml").write_text(
        CONFIGURATION.format(**facts, command=json.dumps(command), cwd=json.dumps(root), limit=LEAKED // CYCLES // 3),
        encoding="utf-8",
    )
    run = [sys.executable, "-m", "soak", "run", "-c", "soak.toml", "--json", "report.json"]
    done = subprocess.run(run, cwd=place, capture_output=True, text=True, timeout=CYCLE_S * CYCLES + 600, check=False)
    if not (place / "report.json").exists():
        raise SystemExit(f"{leak}: no report\n{done.stderr}")
    report: dict[str, Any] = json.loads((place / "report.json").read_text(encoding="utf-8"))
    return report


def rank(report: dict[str, Any], leak: str) -> int | None:
    """Place, from 1, of the planted line among the sites of memory."""
    planted = truth(leak)
    sites = [site for finding in report["findings"] for site in finding.get("sites", [])]
    wanted = (planted.file, planted.line)
    return next((place for place, site in enumerate(sites, 1) if (site["file"], site["line"]) == wanted), None)


def main(wanted: list[str]) -> int:
    """Print a line for each leak."""
    missed = 0
    live = f"{LIVE // 2**20} MB of live heap"
    print(f"1 MB leaked in {CYCLES * CYCLE_S} s beside {live}, a tenth of it replaced every ten seconds")
    print(f"{'leak':<8}{'verdict':<14}{'python_heap':<32}{'place of its line':<20}{'goal':<8}")
    for leak in wanted or [name for name in OF_MEMORY if name != "mmap"]:
        with tempfile.TemporaryDirectory(prefix="planted-") as place:
            report = soak(leak, Path(place))
        found = rank(report, leak)
        heap: dict[str, Any] = next((row for row in report["series"] if row["name"] == "python_heap"), {})
        growth = heap.get("growth_per_hour")
        told = "not known" if growth is None else f"{growth / 2**20:+.1f} MB/h, {heap['verdict']}"
        good = report["verdict"] == "leak" and found == 1
        outcome = "ok" if good else "MISSED"
        print(f"{leak:<8}{report['verdict']:<14}{told:<32}{found or 'none':<20}{'1':<8}{outcome}")
        missed += not good
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(quick.run(partial(main, sys.argv[1:])))
