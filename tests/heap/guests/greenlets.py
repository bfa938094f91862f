"""Switches greenlets in the middle of everything while every byte is sampled."""

import sys

import greenlet
from common import answer, ready, total

DEPTH, LETS, ROUNDS = 12, 20, 200


def deep(n, kept):
    """Recursion with allocations on the way down and up, a switch at the bottom."""
    mine = [bytes(100) for _ in range(5)]
    if n:
        return [*deep(n - 1, kept), n]
    greenlet.getcurrent().parent.switch()
    kept.append(bytes(3000))
    return mine


def body():
    """A greenlet's life."""
    kept = []
    for _ in range(ROUNDS):
        deep(DEPTH, kept)
        del kept[:-10]
    alive.append(kept)


alive = []
sampler = ready()
sampler.start(int(sys.argv[1]), seed=1)
lets = [greenlet.greenlet(body) for _ in range(LETS)]
while any(not let.dead for let in lets):
    for let in lets:
        if not let.dead:
            let.switch()
sites = sampler.read(0)
stacks = [[frame[2] for frame in site["stack"]] for site in sites]
whole = [stack for stack in stacks if stack[:1] == ["body"] or stack[:1] == ["<module>"]]
answer(kept=total(sites, "deep"), truth=LETS * 10 * 3033, stacks=len(stacks), whole=len(whole))
