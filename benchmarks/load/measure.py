"""CPU time of a command and its children, from what the kernel hands over when they are reaped."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks import quick
from benchmarks.load import peers

SHORT_S, LONG_S = quick.sized((3, 9), (1, 2))  # two lengths: their difference is free of start-up
WARM_S, STEADY_S = quick.sized((4.0, 16.0), (2.0, 1.0))  # of a steady load: left out, and looked at


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


def steady(
    command: Sequence[str | Path],
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    seconds: float = STEADY_S,
) -> float:
    """CPU seconds per second of a command and all below it, while it runs evenly; SystemExit when it ends too soon.

    Both moments are of one run: where little is sent, what two starts differ by is more than what is looked for.
    """
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(env or os.environ), cwd=cwd
    ) as process:
        try:
            time.sleep(WARM_S)
            begin, before = time.monotonic(), _cpu(process.pid)
            time.sleep(seconds)
            end, after = time.monotonic(), _cpu(process.pid)
        finally:
            early = process.poll() is not None
            for one in [] if early else (*psutil.Process(process.pid).children(recursive=True), process):
                with suppress(psutil.Error):  # it ended when its child did
                    one.terminate()
    if early:
        raise SystemExit(f"{command} ended too soon")
    return (after - before) / (end - begin)


def _cpu(pid: int) -> float:
    """CPU seconds of a process and all below it, to the nanosecond (its clock by number, clock_getcpuclockid(3))."""
    root, used = psutil.Process(pid), 0.0
    for process in (root, *root.children(recursive=True)):
        with suppress(OSError):  # it has just ended
            used += time.clock_gettime(~process.pid << 3 | 2)
    return used


def real_time() -> list[str]:
    """What to put before a command to give it real-time priority; nothing where that is not allowed."""
    wanted = ["chrt", "-f", "10"]
    try:
        allowed = subprocess.run([*wanted, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return []
    return wanted if allowed else []


def our_command(url: str, seconds: float, *settings: str) -> list[str]:
    """Our generator for so many seconds."""
    return [sys.executable, "-m", "benchmarks.load.ours", url, str(seconds), *settings]


def ours(
    url: str, seconds: float, *settings: str, env: Mapping[str, str] | None = None, before: Sequence[str] = ()
) -> tuple[dict[str, Any], float]:
    """Summary and CPU seconds of our generator, parent and worker."""
    done = used([*before, *our_command(url, seconds, *settings)], {**os.environ, **(env or {})})
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


def locust_command(folder: Path, url: str, seconds: float, users: int, pace: float | None) -> list[str | Path]:
    """Locust's FastHttpUser for so many seconds, to be run in `folder`; `pace` as for `locust`."""
    wait = f"wait_time = constant_throughput({pace})" if pace else ""
    (folder / "locustfile.py").write_text(LOCUSTFILE.format(pace=wait))
    flags = [
        "--headless",
        "--only-summary",
        "-u",
        str(users),
        "-r",
        str(users),
        "-t",
        f"{seconds:g}s",
        "--csv",
        "stats",
    ]
    return [peers.locust(), "-f", "locustfile.py", "-H", url, *flags, "--loglevel", "ERROR"]


def locust(folder: Path, url: str, seconds: float, users: int, pace: float | None) -> tuple[int, float]:
    """Requests and CPU seconds of Locust's FastHttpUser, `pace` requests/s of each user or as fast as it can."""
    (folder / "stats_stats.csv").unlink(missing_ok=True)  # of the run before
    done = used(locust_command(folder, url, seconds, users, pace), cwd=folder, quiet=True)
    last = (folder / "stats_stats.csv").read_text().splitlines()[-1]
    return int(last.split(",")[2]), done.cpu


def wrk(url: str, seconds: float, connections: int) -> tuple[int, float]:
    """Requests and CPU seconds of wrk with one thread."""
    program = peers.unpacked("wrk")
    if program is None:
        raise quick.LeftOut("wrk could not be unpacked")
    command: list[str | Path] = [program, "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--latency", url]
    done = used(command, peers.environment())
    found = re.search(r"(\d+) requests in", done.out)
    assert found is not None
    return int(found.group(1)), done.cpu


def per_request(run: Callable[[float], tuple[int, float]]) -> float:
    """Microseconds of CPU per request: the difference between a long and a short run, free of what starting costs."""
    with quick.leaving_out("CPU per request"):
        few, start = run(SHORT_S)
        many, whole = run(LONG_S)
        if many <= few:
            raise quick.LeftOut("the longer run did no more than the shorter one: this machine is too busy to measure")
        return (whole - start) / (many - few) * 1e6
    return math.nan
