"""Endless new code and stacks, few of them alive: prints what the sampler's tables came to."""

import gc
import time

from common import answer, ready


def make(n):
    """A function of its own file, name and line."""
    space = {}
    exec(compile("\n" * (n % 500) + f"def f{n}(g): return g()", f"<made {n}>", "exec"), space)
    return space[f"f{n}"]


sampler = ready()
sampler.start(64, seed=1)
kept = []
sizes = []
for i in range(12000):
    lasting = i >= 11980
    block = make(i)(lambda: bytearray(6000 if lasting else 600))  # noqa: B023  # called at once
    if lasting:  # and so large that each of them is sampled
        kept.append(block)
    if i % 1000 == 0:
        sizes.append(sampler.own_bytes())
names = {frame[2] for site in sampler.read(0) for frame in site["stack"]}
lines = {frame[1] for site in sampler.read(0) for frame in site["stack"] if frame[2] == "f11990"}
stats = sampler.stats()
sampler.stop()
after = sampler.own_bytes()


def blocks(lists):
    """So many MB, a thousand bytes a block."""
    return [[bytes(1000) for _ in range(1000)] for _ in range(lists)]


def dump():
    """Live samples, and the best time of twenty dumps of them."""
    seconds = []
    for _ in range(20):
        sampler.read(20)
        seconds.append(sampler.dump_seconds)
    return sampler.stats()["live"], min(seconds)


gc.collect()
sampler.start(65536, seed=1)
few = blocks(13)
few_live, few_seconds = dump()
began = time.perf_counter()
many = blocks(117)  # 130 MB in all: about 2,000 samples
made_seconds = time.perf_counter() - began
live, seconds = dump()
answer(
    stats=stats,
    sizes=sizes,
    named=[f"f{i}" in names for i in range(11980, 12000)],
    lines=sorted(lines),
    after=after,
    few_live=few_live,
    few_seconds=few_seconds,
    made_seconds=made_seconds,
    live=live,
    seconds=seconds,
    own=sampler.own_bytes(),
)
