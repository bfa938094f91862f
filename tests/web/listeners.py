"""Fifty browsers that listen and all hang up midway, again and again; soak itself says what they leave behind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.common import free_port
from tests.e2e.soaking import soak_command

ROOT = Path(__file__).resolve().parent.parent.parent
LISTENERS = 50
CONFIG = """
[target]
name = "dashboard"
command = ["{python}", "-m", "tests.web.guest", "sqlite:///{folder}/served.db", "{port}"]
cwd = "{root}"
url = "http://127.0.0.1:{port}"
ready = "/health"

[load]
cycle = "{cycle}s"
cycles = {cycles}
quiet = "{quiet}s"
low = 1
high = 4

[[scenario]]
name = "listen"
kind = "sse"
path = "/api/events?run=1"
streams = {listeners}
hold = "{hold}s"
faults = {{ abandon = 1 }}

[[scenario]]
name = "curves"
path = "/api/runs/1/curves"

[limits]
growth = "{growth}"
fds = "0.5/cycle"
peak = "+40MB"
"""


def soak_dashboard(folder: Path, *, cycle: float, cycles: int, hold: float, growth: str) -> dict[str, Any]:
    """Soak the web part for `cycles` of `cycle` seconds, each listener hanging up after `hold`; the report."""
    text = CONFIG.format(
        python=sys.executable,
        folder=folder,
        root=ROOT,
        port=free_port(),
        cycle=cycle,
        cycles=cycles,
        quiet=max(3.0, 0.2 * cycle),
        hold=hold,
        growth=growth,
        listeners=LISTENERS,
    )
    (folder / "soak.toml").write_text(text)
    command = soak_command("run", "--json", "report.json")
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    file = folder / "report.json"
    assert file.exists(), done.stderr[-2000:]
    report: dict[str, Any] = json.loads(file.read_text())
    return report


def figures(report: dict[str, Any]) -> dict[str, tuple[float | None, float | None, float | None, str]]:
    """Of each deciding series: growth per cycle, both ends of its interval per cycle, and its verdict."""
    cycles_per_hour = 3600.0 / report["run"]["cycle_seconds"]
    found = {}
    for row in report["series"]:
        if row["gates"] and row["process"] == "total":
            low, high = row["ci95"] or (None, None)
            ends = (None if low is None else low / cycles_per_hour, None if high is None else high / cycles_per_hour)
            found[row["name"]] = (row["growth_per_cycle"], *ends, row["verdict"])
    return found
