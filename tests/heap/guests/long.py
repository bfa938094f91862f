"""Runs for SECONDS: churn, readings once in a while; prints the guest's and the sampler's memory as it went."""

import os
import sys
import threading
import time

from common import answer, ready

SECONDS = float(sys.argv[1])


def resident():
    """Resident bytes of this process."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def work(n):
    """What a service does: parse, keep for a while, drop."""
    kept = []
    while time.monotonic() < end:
        kept.append({str(i): [bytes(i * n % 3000)] for i in range(100)})
        exec(compile(f"def f(): return bytearray({len(kept)} * 100)\nf()", f"<w{time.monotonic_ns()}>", "exec"), {})
        if len(kept) > 200:
            del kept[:100]


sampler = ready()
sampler.start(512)
end = time.monotonic() + SECONDS
threads = [threading.Thread(target=work, args=(n,)) for n in (7, 11, 13)]
for thread in threads:
    thread.start()
own, rss, cycle = [], [], 0
while time.monotonic() < end:
    time.sleep(SECONDS / 60)
    cycle += 1
    sampler.mark_cycle(cycle)
    sampler.read(50)
    own.append(sampler.own_bytes())
    rss.append(resident())
for thread in threads:
    thread.join()
answer(own=own, rss=rss, stats=sampler.stats())
