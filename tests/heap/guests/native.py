"""Leaks from malloc and mmap of known size, and what else native sampling must and must not see."""

import ctypes
import mmap
import os
import sys
import threading
import zlib

from common import answer, ready

MiB = 1 << 20
libc = ctypes.CDLL(None)
for name in ("malloc", "memalign", "aligned_alloc", "calloc", "realloc"):
    getattr(libc, name).restype = ctypes.c_void_p
libc.realloc.argtypes = libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
libc.free.argtypes = (ctypes.c_void_p,)


def plain(n):
    """malloc."""
    return [libc.malloc(4000) for _ in range(n)]


def aligned(n):
    """memalign and aligned_alloc."""
    return [libc.memalign(64, 4000) if i % 2 else libc.aligned_alloc(64, 4096 - 96) for i in range(n)]


def regrown(n):
    """realloc, twice."""
    return [libc.realloc(libc.realloc(libc.calloc(1, 100), 8000), 4000) for _ in range(n)]


def mapped(n):
    """Anonymous mmap."""
    return [mmap.mmap(-1, MiB) for _ in range(n)]


def size(function, domain="malloc"):
    """Estimated bytes of the sites of a domain under a function."""
    return sum(
        site["bytes"]
        for site in sampler.read(0)
        if site["domain"] == domain and any(frame[2] == function for frame in site["stack"])
    )


def compressors(n):
    """An extension module whose library calls malloc by itself."""
    return [zlib.compressobj() for _ in range(n)]


sampler = ready()
assert sampler.native
sampler.start(65536, seed=int(sys.argv[1]))
blocks, others, moved, maps = plain(13108), aligned(13108), regrown(13108), mapped(50)
found = {
    "malloc": size("plain") / (13108 * 4000),
    "aligned": size("aligned") / (13108 * 4000),
    "realloc": size("regrown") / (13108 * 4000),
    "mmap": size("mapped", "mmap") / (50 * MiB),
}
for block in blocks:
    libc.free(block)
found["malloc freed"] = size("plain")
del maps[25:]
found["mmap half unmapped"] = size("mapped", "mmap") / (25 * MiB)
view = (ctypes.c_char * MiB).from_buffer(maps[0])
libc.munmap(ctypes.addressof(view) + MiB // 2, MiB // 2)  # the second half of one
found["mmap part unmapped"] = size("mapped", "mmap") / MiB
small = [object() for _ in range(300_000)]  # a few MB of pools: arenas are the interpreter's, not the program's
found["mappings under the module's line"] = sum(s["bytes"] for s in sampler.read(0) if s["domain"] == "mmap") / MiB
squeezed = compressors(40)
found["natives"] = [
    s["native"] for s in sampler.read(0) if "native" in s and any("compressors" in f[2] for f in s["stack"])
]
found["raw"] = sum(site["domain"] == "raw" for site in sampler.read(0))
thread = threading.Thread(target=libc.malloc, args=(64 * MiB,))
thread.start()
thread.join()
found["threads"] = sum(s["bytes"] for s in sampler.read(0) if s["bytes"] > 60 * MiB) / MiB
answer(**found)
sys.stdout.flush()
os._exit(0)  # one mapping is half gone: nobody is to unmap it again
