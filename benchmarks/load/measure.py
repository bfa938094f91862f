"""CPU time of a command and its children, from what the kernel hands over when they are reaped."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.load import peers

SHORT_S, LONG_S = 3, 9  # two lengths: their difference is free of start-up


@dataclass(frozen=True, slots=True)
class Used:
    """What a command printed and the CPU seconds that it used."""

    out: str
    cpu: float


def used(
    command: Sequence[str | Path], env: Mapping[str, str] | None = None, cwd: Path | None = None, quiet: bool = False
) -> Used:
    """Run a command to its end; SystemExit when it fails."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if quiet else None,
        text=True,
        env=dict(env or os.environ),
        cwd=cwd,
    )
    assert process.stdout is not None
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):  # Locust ends with 1 when a request failed
        raise SystemExit(f"{command} ended with {process.returncode}")
    return Used(out, usage.ru_utime + usage.ru_stime)


def real_time() -> list[str]:
    """What to put before a command to give it real-time priority; nothing where that is not allowed."""
    wanted = ["chrt", "-f", "10"]
    try:
        allowed = subprocess.run([*wanted, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return []
    return wanted if allowed else []


def ours(
    url: str, seconds: float, *settings: str, env: Mapping[str, str] | None = None, before: Sequence[str] = ()
) -> tuple[dict[str, Any], float]:
    """Summary and CPU seconds of our generator, parent and worker."""
    command = [*before, sys.executable, "-m", "benchmarks.load.ours", url, str(seconds), *settings]
    done = used(command, {**os.environ, **(env or {})})
    return json.loads(done.out), done.cpu


LOCUSTFILE = """
from locust import FastHttpUser, constant_throughput, task
class Visitor(FastHttpUser):
    insecure = True
    {pace}
    @task
    def get(self):
        self.client.get("/")
"""


def locust(folder: Path, url: str, seconds: float, users: int, pace: float | None) -> tuple[int, float]:
    """Requests and CPU seconds of Locust's FastHttpUser, `pace` requests/s of each user or as fast as it can."""
    program = peers.locust()
    if program is None:
        raise SystemExit("locust could not be installed")
    wait = f"wait_time = constant_throughput({pace})" if pace else ""
    (folder / "locustfile.py").write_text(LOCUSTFILE.format(pace=wait))
    flags = ["--headless", "--only-summary", "-u", str(users), "-r", str(users), "-t", f"{seconds}s", "--csv", "stats"]
    (folder / "stats_stats.csv").unlink(missing_ok=True)  # of the run before
    command: list[str | Path] = [program, "-f", "locustfile.py", "-H", url, *flags, "--loglevel", "ERROR"]
    done = used(command, cwd=folder, quiet=True)
    last = (folder / "stats_stats.csv").read_text().splitlines()[-1]
    return int(last.split(",")[2]), done.cpu


def wrk(url: str, seconds: float, connections: int) -> tuple[int, float]:
    """Requests and CPU seconds of wrk with one thread."""
    program = peers.unpacked("wrk")
    if program is None:
        raise SystemExit("wrk could not be unpacked")
    command: list[str | Path] = [program, "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--latency", url]
    done = used(command, peers.environment())
    found = re.search(r"(\d+) requests in", done.out)
    assert found is not None
    return int(found.group(1)), done.cpu


def per_request(run: Callable[[float], tuple[int, float]]) -> float:
    """Microseconds of CPU per request: the difference between a long and a short run, free of what starting costs."""
    few, start = run(SHORT_S)
    many, whole = run(LONG_S)
    if many <= few:
        raise SystemExit("the longer run did no more than the shorter one: this machine is too busy to measure")
    return (whole - start) / (many - few) * 1e6
