"""`python -m benchmarks.overhead.outside PID`: looks at a process from outside, ten times a second."""

from __future__ import annotations

import sys
import time

from soak_probes import Observer, ProcessTree, start_time_of

INTERVAL = 0.1  # s; a run takes a sample a second


def main() -> None:
    """A line after the first sample: from then on the figures of the target's CPU are with it."""
    pid = int(sys.argv[1])
    started = start_time_of(pid)
    assert started is not None
    tree = ProcessTree([(pid, started)])
    observer = Observer(tree)
    said = False
    while tree.alive:
        tree.refresh()
        observer.sample()
        if not said:
            print("looking", flush=True)
            said = True
        time.sleep(INTERVAL)


if __name__ == "__main__":
    main()
