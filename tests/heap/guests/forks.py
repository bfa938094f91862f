"""Forks while other threads are inside the sampler; every child allocates, reads and leaves."""

import os
import threading

from common import answer, ready, total

going = True


def churn():
    """Keeps the sampler's lock busy."""
    while going:
        [bytes(3000) for _ in range(200)]


def before():
    """Alive in parent and child."""
    return [bytes(2000) for _ in range(500)]


def child():
    """Exit code 0 when the child sees what it inherited and what it made."""
    mine = [bytes(1000) for _ in range(500)]
    sites = sampler.read(0)
    good = total(sites, "before") > 500_000 and total(sites, "child") > 250_000
    sampler.stop()
    sampler.start(512)
    del mine
    os._exit(0 if good and sampler.running else 1)


sampler = ready()
sampler.start(512)
kept = before()
threads = [threading.Thread(target=churn, daemon=True) for _ in range(3)]
for thread in threads:
    thread.start()
codes = []
for _ in range(20):
    pid = os.fork()
    if not pid:
        child()
    codes.append(os.waitpid(pid, 0)[1])
going = False
answer(codes=codes, after=total(sampler.read(0), "before"))
