"""`python -m tools.self_soak`: soak soaks its own daemon, and judges it like any other target.

The target is `soak daemon` with a soak of a small web server on its schedule; the load are GETs on its own pages. The
daemon's process alone is judged, not what it starts. Two things may grow: with time, while a run goes on (judged by
default: 100 KB/h), and with every run (`--many-runs`: 64 KB a run, of which a service has some a day).

A cycle is two minutes, all of it two hours: in one hour 100 KB are 25 pages of memory, too few to put a 95 % interval
beside them (60 cycles of a minute: +25 KB/h, 1 to 141). With `SOAK_BENCH=quick` in the environment it is two of 10 s,
only to see that it runs: any verdict will do.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import quick
from benchmarks.ports import free_port

REPOSITORY = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
FOLDER = REPOSITORY / "build/self-soak"
INNER_S = 20  # a cycle of the run that goes on in the daemon
CYCLE_S, CYCLES = quick.sized((120, 60), (10, 2))  # seconds of one, and how many


def write_configurations(folder: Path, *, many_runs: bool, heap: str, cycle: int, cycles: int) -> Path:
    """The two configurations in `folder`; the one to begin with."""
    inner = max(1000, cycle * cycles // INNER_S + 60)  # cycles
    (folder / "daemon").mkdir(parents=True, exist_ok=True)
    (folder / "tmp").mkdir(mode=0o700, exist_ok=True)
    facts = {
        "PYTHON": sys.executable,
        "WEB": str(free_port()),
        "PORT": str(free_port()),
        "DAEMON": str(folder / "daemon/soak.toml"),
        "TMP": str(folder / "tmp"),
        "SERVER": str(HERE / "server.py"),
        "AGENT": "off" if heap == "off" else "on",
        "HEAP": "auto" if heap == "off" else heap,
        "GROWTH": "64KB/cycle" if many_runs else "100KB/h",
        "OUTER": f"{cycle}s",
        "QUIET": f"{cycle / 4:g}s",
        # One run in every cycle, or a single one that is longer than all of them.
        "CYCLE": "3s" if many_runs else f"{INNER_S}s",
        "CYCLES": "2" if many_runs else str(inner),
        "EVERY": f"{cycle}s" if many_runs else f"{max(12 * 3600, 2 * inner * INNER_S)}s",
    }
    for name, place in (("outer.toml", "soak.toml"), ("daemon.toml", "daemon/soak.toml")):
        text = (HERE / name).read_text(encoding="utf-8")
        for key, value in facts.items():
            text = text.replace(f"@{key}@", value)
        (folder / place).write_text(text, encoding="utf-8")
    return folder / "soak.toml"


def main() -> int:
    """Run it; the exit code of `soak run`: 0 when the daemon is clean."""
    parser = argparse.ArgumentParser(prog="python -m tools.self_soak", description=__doc__)
    parser.add_argument("--cycles", type=int, default=CYCLES, help="how many cycles (60)")
    parser.add_argument("--cycle", type=int, help="seconds of a cycle (120; 20 with --many-runs)")
    parser.add_argument("--many-runs", action="store_true", help="the daemon begins a run in every cycle: 180 an hour")
    parser.add_argument("--heap", default="off", choices=("off", "sampler", "tracemalloc"), help="look into the daemon")
    parser.add_argument("--folder", type=Path, help="where stores, logs and the report go (below build/)")
    options = parser.parse_args()
    folder = options.folder or FOLDER / quick.sized(time.strftime("%Y-%m-%dT%H-%M-%S"), "quick")
    if folder == FOLDER / "quick":
        shutil.rmtree(folder, ignore_errors=True)  # of the time before
    cycle = options.cycle or (20 if options.many_runs else CYCLE_S)
    config = write_configurations(
        folder.resolve(), many_runs=options.many_runs, heap=options.heap, cycle=cycle, cycles=options.cycles
    )
    print(f"stores, logs and the report are in {config.parent}", file=sys.stderr)
    command = [sys.executable, "-P", "-m", "soak", "run", "-c", str(config), "--cycles", str(options.cycles)]
    report = config.with_name("report.json")
    command += ["--json", str(report), "--html", str(report.with_suffix(".html"))]
    code = subprocess.run(command, cwd=REPOSITORY, check=False).returncode
    return 0 if quick.QUICK and report.exists() else code


if __name__ == "__main__":
    sys.exit(main())
