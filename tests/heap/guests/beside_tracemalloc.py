"""tracemalloc comes and goes above and below the sampler; prints what each order left."""

import tracemalloc

from common import answer, ready, total


def leak():
    """Two megabytes."""
    return [bytes(2015) for _ in range(1000)]


def ratio():
    """Estimate over truth for a new leak."""
    kept = leak()
    found = total(sampler.read(0), "leak") / (len(kept) * 2048)
    del kept
    return found


sampler = ready()
found = {}
sampler.start(4096, seed=1)
tracemalloc.start()
found["tracemalloc above"] = ratio()
sampler.stop()  # its hooks are under tracemalloc's and have to stay
found["parked"] = len(sampler.read(0))
sampler.start(4096, seed=2)
found["started again under tracemalloc"] = ratio()
tracemalloc.stop()
found["tracemalloc gone"] = ratio()
sampler.stop()
tracemalloc.start()
sampler.start(4096, seed=3)
found["tracemalloc below"] = ratio()
tracemalloc.stop()  # puts back what was there before it: the sampler's hooks are gone
found["first reading after the hooks were lost"] = total(sampler.read(0), "leak")
found["hooked again"] = ratio()
found["restarts"] = sampler.restarts
sampler.stop()
found["tracing"] = tracemalloc.is_tracing()
answer(**found)
