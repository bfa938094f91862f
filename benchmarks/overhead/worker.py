"""One target process: does blocks of work on command and says what CPU each took.

Started by run.py with or without an observer in it; reads a line "BLOCK count", answers "cpu seconds, rss bytes".
"""

from __future__ import annotations

import os
import sys
import time

from targets import KINDS


def rss() -> int:
    """Resident bytes of this process."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def switch_on(observer: str) -> None:
    """Observers that a target starts itself."""
    if observer == "ddtrace":
        from ddtrace.profiling.collector import memalloc

        memalloc.MemoryCollector(heap_sample_size=512 * 1024).start()
    elif observer.startswith("tracemalloc"):
        import tracemalloc

        tracemalloc.start(int(observer.partition("-")[2]))


def main() -> None:
    """Serve blocks until the other side hangs up."""
    kind, observer = sys.argv[1:3]
    switch_on(observer)
    work = KINDS[kind]()
    live = [[number, {"n": str(number)}] for number in range(50_000)]  # a heap that is not empty
    for line in sys.stdin:
        count = int(line)
        begun = time.process_time()
        for _ in range(count):
            work()
        print(time.process_time() - begun, rss(), len(live), flush=True)


if __name__ == "__main__":
    main()
