"""Starts and stops the sampler while four threads churn; prints how often and what was seen."""

import sys
import threading
import time

from common import answer, ready, total

ROUNDS = int(sys.argv[1])
going = True


def churn(n):
    """Allocates, grows and frees blocks of every kind."""
    kept = []
    while going:
        kept.append([bytes(n + i) for i in range(50)])
        kept.append({i: str(i) * 3 for i in range(20)})
        grown = bytearray()
        for _ in range(20):
            grown += b"x" * 700
        if len(kept) > 40:
            del kept[:30]


sampler = ready()
threads = [threading.Thread(target=churn, args=(size,)) for size in (10, 200, 600, 5000)]
for thread in threads:
    thread.start()
seen = 0
for i in range(ROUNDS):
    sampler.start((1, 64, 512, 65536)[i % 4])
    patience = time.monotonic() + 60
    while time.monotonic() < patience:
        sampler.mark_cycle(i)
        if total(sampler.read(0), "churn", "samples"):
            seen += 1
            break
        time.sleep(0.001)  # gives up the GIL, as a reading does: the threads get on
    sampler.stop()
going = False
for thread in threads:
    thread.join()
answer(rounds=ROUNDS, seen=seen, stats=sampler.stats(), own=sampler.own_bytes())
