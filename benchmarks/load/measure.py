"""CPU time of a command and its children, from what the kernel hands over when they are reaped."""

from __future__ import annotations

import csv
import json
import math
import os
import re
import subprocess
import sys
import time
import urllib.request
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
AFTER_S = 3.0  # of a steady load that ends by itself: more than it takes to start it
OFF = 0.01  # of the rate a load may be off by, either way: all are within a tenth of that where nobody is in their way


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
    if process.returncode:  # of Locust also when a request failed
        raise SystemExit(f"{command} ended with {process.returncode}")
    return Used(out, usage.ru_utime + usage.ru_stime)


def steady(command: Sequence[str | Path], url: str, wanted: float, cwd: Path, seconds: float) -> float:
    """us of CPU for each request that a command and all below it have answered by nginx at `url`, while it runs evenly.

    Both moments are of one run: where little is sent, what two starts differ by is more than what is looked for.
    LeftOut where it does not send the `wanted` requests per second, SystemExit when it ends too soon.
    """
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=cwd) as process:
        try:
            cpu, rate = _window(process, seconds, lambda: served(url))
        finally:
            with suppress(psutil.Error):  # it ended by itself, or when its child did
                for one in (*psutil.Process(process.pid).children(recursive=True), process):
                    one.terminate()
    return cpu / as_wanted(rate, wanted) * 1e6


def _window(process: subprocess.Popen[Any], seconds: float, done: Callable[[], int]) -> tuple[float, float]:
    """CPU seconds of a process and all below it, and what is `done`, each per second, once it is warm."""
    time.sleep(WARM_S)
    begin, before, few = time.monotonic(), _cpu(process.pid), done()
    time.sleep(seconds)
    end, after, many = time.monotonic(), _cpu(process.pid), done()
    if process.poll() is not None:
        raise SystemExit(f"{process.args!r} ended too soon")
    return (after - before) / (end - begin), (many - few) / (end - begin)


def streaming(url: str, streams: int, each: float, *settings: str) -> float:
    """us of CPU for each event that so many streams of ours receive, `each` per second, while they run evenly."""
    command = our_command(url, WARM_S + STEADY_S + AFTER_S, f"scenario.streams={streams}", *settings)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            cpu, _ = _window(process, STEADY_S, lambda: 0)
            summary = _whole(process.communicate()[0])
        finally:
            process.kill()
    if summary["total"]["landed"] != streams or not summary["between_s"]:
        raise quick.LeftOut(f"{summary['total']['landed']} of {streams} streams were opened")
    return cpu / as_wanted(streams / summary["between_s"], streams * each) * 1e6


def served(url: str) -> int:
    """Requests that nginx has answered since it was started, whoever sent them. LeftOut from what stands in for it."""
    with urllib.request.urlopen(f"{url}/served") as answer:
        found = re.search(r"handled requests\s+\d+ \d+ (\d+)", answer.read().decode())
    if found is None:
        raise quick.LeftOut("nobody counts what is served")
    return int(found.group(1))


def as_wanted(rate: float, wanted: float) -> float:
    """The rate, when it is the wanted one. LeftOut otherwise: what a request costs depends on how many there are, and a
    generator that falls behind sleeps less between them. In quick mode some of a second is too short to tell.
    """
    off = abs(rate / wanted - 1) > OFF and not quick.QUICK
    if off or rate <= 0:
        raise quick.LeftOut(f"{rate:.1f} a second were counted and not {wanted:g}")
    return rate


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
    """Summary and CPU seconds of our generator, parent and worker. LeftOut when a request failed or was not sent."""
    done = used([*before, *our_command(url, seconds, *settings)], {**os.environ, **(env or {})})
    return _whole(done.out), done.cpu


def _whole(out: str) -> dict[str, Any]:
    """The summary that our generator printed, when all that was due has landed: what failed costs something else."""
    summary: dict[str, Any] = json.loads(out)
    total = summary["total"]
    failed = {**total["errors"], **{name: total[name] for name in ("dropped", "withheld") if total[name]}}
    if failed:
        raise quick.LeftOut(f"of our {total['due']} requests some failed: {failed}")
    return summary


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
    """Requests and CPU seconds of Locust's FastHttpUser, `pace` requests/s of each user or as fast as it can. LeftOut
    when one failed.
    """
    (folder / "stats_stats.csv").unlink(missing_ok=True)  # of the run before
    done = used(locust_command(folder, url, seconds, users, pace), cwd=folder, quiet=True)
    *_, last = csv.DictReader((folder / "stats_stats.csv").read_text().splitlines())
    if int(last["Failure Count"]):
        raise quick.LeftOut(f"{last['Failure Count']} of Locust's {last['Request Count']} requests failed")
    return int(last["Request Count"]), done.cpu


def wrk(url: str, seconds: float, connections: int) -> tuple[int, float]:
    """Requests and CPU seconds of wrk with one thread."""
    program = peers.unpacked("wrk")
    if program is None:
        raise quick.LeftOut("wrk could not be unpacked")
    command: list[str | Path] = [program, "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--latency", url]
    done = used(command, peers.environment())
    failed = re.search(r"Socket errors: .*|Non-2xx or 3xx responses: .*", done.out)
    if failed is not None:
        raise quick.LeftOut(f"requests of wrk failed, {failed.group()}")
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
