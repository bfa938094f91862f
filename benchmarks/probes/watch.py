"""Watches a process once a second for some seconds, as soak or as psrecord does, and prints what that took.

    python -m benchmarks.probes.watch soak|psrecord PID SECONDS

prints `cpu_seconds max_rss_bytes` of the watching alone, imports and the first look left out.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from contextlib import closing, redirect_stdout

DEEP_EVERY = 10  # samples; in a soak once a cycle, so this is dearer than any real run


def watch_as_soak(pid: int, seconds: int) -> float:
    """CPU seconds for `seconds` samples of everything, one a second."""
    from soak_probes import Observer, ProcessTree, start_time_of

    with closing(Observer(ProcessTree([(pid, start_time_of(pid) or 0)]))) as observer:
        observer.sample(deep=True)
        began, before = time.monotonic(), time.process_time()
        for number in range(1, seconds + 1):
            time.sleep(max(0.0, began + number - time.monotonic()))
            observer.sample(deep=number % DEEP_EVERY == 0)
        return time.process_time() - before


def watch_as_psrecord(pid: int, seconds: int) -> float:
    """CPU seconds of psrecord's own loop: cpu and memory of the process and its children, one line a second."""
    from psrecord.main import monitor

    before = time.process_time()
    monitor(pid, logfile=os.devnull, duration=seconds, interval=1, include_children=True)
    return time.process_time() - before


def main() -> None:
    """Arguments: who watches, whom, for how long."""
    who, pid, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with redirect_stdout(sys.stderr):
        cpu = (watch_as_soak if who == "soak" else watch_as_psrecord)(pid, seconds)
    print(cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


if __name__ == "__main__":
    main()
