"""A known leak under many seeds; prints how many of its own standard errors each estimate lies from the truth."""

import sys

from common import answer, ready

BLOCKS, SIZE, INTERVAL = 400, 1000, 4096


def leak(kept):
    """Blocks of SIZE bytes, header included; the list is there already."""
    for i in range(BLOCKS):
        kept[i] = bytes(SIZE - 33)


sampler = ready()
scores = []
for seed in range(1, int(sys.argv[1]) + 1):
    kept = [None] * BLOCKS
    sampler.start(INTERVAL, seed=seed)
    leak(kept)
    site = next(site for site in sampler.read(0) if site["stack"] and site["stack"][-1][2] == "leak")
    sampler.stop()
    scores.append((site["bytes"] - BLOCKS * SIZE) / site["error"])
answer(scores=scores)
