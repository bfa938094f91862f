"""Blocks that pass through more than one hook, grow, shrink, or are freed: prints estimate over truth for each."""

import sys

from common import answer, ready, total

MiB = 1 << 20


def small():
    """Served from pymalloc's pools: 40,000 blocks of 128 bytes."""
    return [bytes(95) for _ in range(40000)]


def forwarded():
    """Above 512 bytes the object domain forwards to the raw one: 4,000 blocks of 2,048 bytes."""
    return [bytes(2015) for _ in range(4000)]


def near_the_limit():
    """480 bytes: with the debug allocator's header it is above 512."""
    return [bytes(447) for _ in range(10000)]


def grown():
    """Reallocated many times: only the last size counts."""
    kept = []
    for _ in range(40):
        block = bytearray()
        for _ in range(100):
            block += b"x" * 1024
        kept.append(block)
    return kept


def zeroed():
    """calloc: dictionaries are not, but bytearray's constructor and array are; ctypes arrays are calloc'ed."""
    import ctypes

    return [(ctypes.c_char * 4096)() for _ in range(1000)]


TRUTH = {small: 40000 * 128, forwarded: 4000 * 2048, near_the_limit: 10000 * 480, zeroed: 1000 * 4096}

sampler = ready()
found = {}
for make in (small, forwarded, near_the_limit, grown, zeroed):
    sampler.start(8192, seed=5)
    kept = make()
    truth = TRUTH.get(make) or sum(sys.getsizeof(block) - 56 for block in kept)
    found[make.__name__] = total(sampler.read(0), make.__name__) / truth
    del kept
    found[make.__name__ + " freed"] = total(sampler.read(0), make.__name__) / truth
    sampler.stop()
answer(**found)
