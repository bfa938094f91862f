"""Two cycles of a known leak, from a generator in a method; prints the sites and the truth."""

import sys

from common import answer, ready

SIZE = 3000 - 33  # bytes objects: 33 of header, so 3,000 a block


class Cache:
    """Keeps everything."""

    def __init__(self):
        self.kept = []

    def fill(self, n):
        self.kept.extend(self.make(n))

    def make(self, n):
        for i in range(n):
            yield (i % 256).to_bytes(1, "big") * SIZE


sampler = ready()
sampler.start(4096, seed=int(sys.argv[1]) if sys.argv[1:] else 1)
cache = Cache()
for cycle, blocks in ((7, 500), (8, 1000)):
    sampler.mark_cycle(cycle)
    cache.fill(blocks)
sites = sampler.read(3)
stats = sampler.stats()
cache.kept.clear()
after = [site for site in sampler.read(0) if site["stack"] and site["stack"][-1][2].endswith("make")]
sampler.stop()
answer(sites=sites, stats=stats, after=after, stopped=sampler.read(0))
