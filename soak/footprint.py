"""Keeps the memory of a process that runs for months where it was on its first day.

What is freed is not given back by itself. glibc keeps it in arenas, one for each thread that ever found the others
busy, each as large as it once had to be; and Python looks for circles of garbage the later, the more objects there are.
Here one arena does for all threads (the GIL lets them take turns anyway), what was there at the start is left out of
the search for garbage, and after every cycle garbage is collected and free pages go back to the kernel. Blocks that
glibc keeps for each thread (its tcache) lie scattered and hold their pages, each time others: without them a daemon is
0.7 MB smaller and stands still sooner. Only the environment that a process begins with can say so.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from contextlib import suppress

_libc = ctypes.CDLL(None)
_mallopt, _trim = (getattr(_libc, name, None) for name in ("mallopt", "malloc_trim"))  # of glibc
# mallopt(3)
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
LARGE = 128 * 1024  # bytes from which a block is mapped on its own and gone when it is freed: glibc would raise that


TUNABLES, BEFORE = "GLIBC_TUNABLES", "SOAK_TUNABLES_BEFORE"  # variables: glibc's, and what it was
NO_CACHES = "glibc.malloc.tcache_count=0"


def without_thread_caches() -> None:
    """Begin this process anew with malloc's caches for threads off: the same process number, the same command line.

    For the beginning of a process. The second time it puts the environment right: what this process starts, targets
    first of all, has malloc as it would have had it. Without glibc, or where it cannot be, everything stays as it is.
    """
    if BEFORE in os.environ:
        before = os.environ.pop(BEFORE)
        os.environ.pop(TUNABLES, None)
        if before:
            os.environ[TUNABLES] = before
        return
    before = os.environ.get(TUNABLES, "")
    if _mallopt is not None and NO_CACHES not in before:
        tunables = ":".join(filter(None, [before, NO_CACHES]))
        with suppress(OSError):
            os.execve(sys.executable, sys.orig_argv, {**os.environ, TUNABLES: tunables, BEFORE: before})  # noqa: S606 -- itself


def one_arena() -> None:
    """Have all threads to come share one arena; for the beginning of a process. Without glibc nothing is done."""
    if _mallopt is not None:
        for parameter, value in ((M_ARENA_MAX, 1), (M_MMAP_THRESHOLD, LARGE), (M_TRIM_THRESHOLD, LARGE)):
            _mallopt(parameter, value)


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
