"""Allocations of a thread that asked to be left out, of one that did not, and of the reading itself."""

import threading

from common import answer, ready, total


def agent():
    """The agent's own thread."""
    sampler.ignore_thread()
    kept.append([bytes(2015) for _ in range(1000)])


def program():
    """The guest's."""
    kept.append([bytes(2015) for _ in range(1000)])


kept = []
sampler = ready()
sampler.start(4096, seed=1)
for target in (agent, program):
    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
readings = [sampler.read(0) for _ in range(50)]
sites = sampler.read(0)
reading = sum(site["bytes"] for site in sites if site["stack"] and "sampler.py" in site["stack"][-1][0])
answer(agent=total(sites, "agent"), program=total(sites, "program"), reading=reading, kept=len(readings))
