"""`python -m benchmarks.light [SECONDS]`: a real `soak daemon` at one sample a second, for one process and for 50.

Everything is on: schedule, web part, watchdog, recorder, SQLite, load book. The daemon attaches to the process, so that
its own processes (load worker, analysis) are apart and are not counted: they live for moments or send requests.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks import quick
from benchmarks.peer_environments import PINNED
from benchmarks.ports import free_port
from benchmarks.probes.guests import guest
from benchmarks.probes.watching import watch_as_psrecord

CPU_GOALS = {1: 0.5, 50: 3.0}  # processes: percent of one core
MEMORY_GOAL = 60.0  # MB, with one process
WARM_UP = quick.sized(15.0, 1.0)  # seconds: the first samples look at everything
CONFIG = """
[target]
name = "guest"
pid = {pid}
[sample]
interval = "1s"
[load]
profile = "none"
cycle = "1h"
cycles = 2
[schedule]
every = "3h"
[web]
listen = "127.0.0.1:{port}"
"""


def main() -> int:
    """Print the table; 1 when a goal was missed."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else quick.sized(60, 2)
    print(f"the whole daemon at one sample a second, percent of one core over {seconds} s, and resident memory")
    print(f"beside {', '.join(PINNED['psrecord'])}\n")
    print(f"{'processes':<11}{'soak':>9}{'psrecord':>11}{'ratio':>9}{'goal':>9}  {'':<7}{'memory':>9}{'goal':>8}")
    missed = False
    for count, goal in CPU_GOALS.items():
        with guest(forks=count - 1) as pid:
            cpu, memory = observe(pid, seconds)
            theirs = watch_as_psrecord(pid, seconds)
        good = cpu <= goal and (count > 1 or memory <= MEMORY_GOAL)
        missed |= not good
        shown = "not here" if theirs is None else f"{theirs:.3f} %"
        ratio = "-" if theirs is None or cpu <= 0 else f"{theirs / cpu:.1f} x"
        wanted = f"{MEMORY_GOAL:.0f} MB" if count == 1 else "-"
        print(
            f"{count:<11}{f'{cpu:.3f} %':>9}{shown:>11}{ratio:>9}{f'{goal} %':>9}  {'ok' if good else 'MISSED':<7}"
            f"{f'{memory:.1f} MB':>9}{wanted:>8}",
            flush=True,
        )
    return int(missed)


def observe(pid: int, seconds: int) -> tuple[float, float]:
    """Percent of one core and resident MB of a daemon that soaks `pid`."""
    with daemon(pid) as soak:
        time.sleep(WARM_UP)
        before, began = cpu_seconds(soak), time.monotonic()
        time.sleep(seconds)
        used, took = cpu_seconds(soak) - before, time.monotonic() - began
        return 100.0 * used / took, resident(soak)


@contextmanager
def daemon(pid: int) -> Iterator[int]:
    """The pid of a daemon that has begun to soak a process."""
    with tempfile.TemporaryDirectory(prefix="soak-light-") as name:
        folder = Path(name)
        (folder / "soak.toml").write_text(CONFIG.format(pid=pid, port=free_port()))
        with (folder / "log").open("wb") as log:
            command = [sys.executable, "-P", "-m", "soak", "daemon"]
            process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        try:
            _await(folder / "log", "attaching to guest")
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def _await(log: Path, text: str, timeout: float = 300.0) -> None:
    deadline = time.monotonic() + timeout
    while text not in log.read_text():
        if time.monotonic() > deadline:
            raise TimeoutError(log.read_text()[-2000:])
        time.sleep(0.2)


def cpu_seconds(pid: int) -> float:
    """Processor time of all threads, by the scheduler's account: ticks would miss most of what is so short."""
    used = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended
            used += int((task / "schedstat").read_text().split()[0])
    return used / 1e9


def resident(pid: int) -> float:
    """MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    sys.exit(quick.run(main))
