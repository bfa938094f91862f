"""Runs inside a guest with the library preloaded: so many MB leaked by malloc and as many by mmap, at 64 KiB.

`native_leaks.py SEED MEGABYTES` prints what the sampler sees of each, over the truth.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import sys

from guest import load

MB = 1 << 20
LEAKED, BLOCK = int(sys.argv[2]) * MB, 4000


def plain() -> list[int]:
    """Blocks of 4,000 bytes from C."""
    return [LIBC.malloc(BLOCK) for _ in range(LEAKED // BLOCK)]


def mapped() -> list[mmap.mmap]:
    """Anonymous mappings of 1 MB."""
    return [mmap.mmap(-1, MB) for _ in range(LEAKED // MB)]


def seen(domain: str, function: str) -> float:
    """Estimated bytes of a domain under a function."""
    return sum(
        site["bytes"]
        for site in sampler.read(0)
        if site["domain"] == domain and any(frame[2] == function for frame in site["stack"])
    )


if __name__ == "__main__":
    LIBC = ctypes.CDLL(None)
    LIBC.malloc.restype, LIBC.malloc.argtypes = ctypes.c_void_p, (ctypes.c_size_t,)
    sampler = load()
    sampler.start(65536, seed=int(sys.argv[1]))
    kept = plain(), mapped()
    print(
        json.dumps(
            {"malloc": seen("malloc", "plain") / (len(kept[0]) * BLOCK), "mmap": seen("mmap", "mapped") / LEAKED}
        )
    )
