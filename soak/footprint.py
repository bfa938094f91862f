"""Keeps the memory of a process that runs for months where it was on its first day.

What is freed is not given back by itself. glibc keeps it in arenas, one for each thread that ever found the others
busy, each as large as it once had to be; and Python looks for circles of garbage the later, the more objects there are.
Here one arena does for all threads (the GIL lets them take turns anyway), what was there at the start is left out of
the search for garbage, and after every cycle garbage is collected and free pages go back to the kernel. What each
thread keeps for itself cannot be given back: it is filled as the thread begins, and not over hours.
"""

from __future__ import annotations

import ctypes
import gc

_libc = ctypes.CDLL(None)
_mallopt, _trim = (getattr(_libc, name, None) for name in ("mallopt", "malloc_trim"))  # of glibc
_malloc, _free = ctypes.PyDLL(None).malloc, ctypes.PyDLL(None).free  # without letting go of the GIL for each call
_malloc.argtypes, _malloc.restype = (ctypes.c_size_t,), ctypes.c_void_p
_free.argtypes, _free.restype = (ctypes.c_void_p,), None
# mallopt(3)
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
SMALL, EACH = range(24, 1033, 16), 7  # bytes and number of the free blocks that a thread keeps (glibc's tcache): 240 KB
LARGE = 128 * 1024  # bytes from which a block is mapped on its own and gone when it is freed: glibc would raise that


def one_arena() -> None:
    """Have all threads to come share one arena; for the beginning of a process. Without glibc nothing is done."""
    if _mallopt is not None:
        for parameter, value in ((M_ARENA_MAX, 1), (M_MMAP_THRESHOLD, LARGE), (M_TRIM_THRESHOLD, LARGE)):
            _mallopt(parameter, value)


def fill_thread() -> None:
    """Have the thread that calls keep all the free blocks that it will ever keep; takes half a millisecond."""
    if _mallopt is not None:
        for block in [_malloc(size) for size in SMALL for _ in range(EACH)]:
            _free(block)


def keep_what_is_there() -> None:
    """Call what is in use now permanent: a search for garbage looks at what came later, and takes a millisecond."""
    gc.collect()
    gc.freeze()
    gc.collect()  # nothing any more; Python then searches as for a small heap


def give_back() -> None:
    """Collect garbage and return free pages to the kernel: takes some milliseconds."""
    gc.collect()
    if _trim is not None:
        _trim(0)
