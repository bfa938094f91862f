"""What keeps the memory of the daemon where it was: each in a process of its own, as it changes the whole process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

# Threads that hold memory at the same time, and how many arenas glibc has made for them.
ARENAS = """
import ctypes, sys, threading
from soak.footprint import one_arena
if sys.argv[1] == "one":
    one_arena()
every = threading.Barrier(5)
def hold():
    block = bytes(100_000)
    every.wait()
    every.wait()
threads = [threading.Thread(target=hold) for _ in range(4)]
for thread in threads:
    thread.start()
every.wait()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
out = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, out)
libc.fflush(out)
every.wait()
"""

# What the environment of the process says at its beginning, and what it hands on; and whether it is the same process.
CACHES = """
import os, sys
from pathlib import Path
number = os.environ.setdefault("NUMBER", str(os.getpid()))
from soak.footprint import without_thread_caches
without_thread_caches()
began = Path("/proc/self/environ").read_bytes()
handed_on = sorted(name for name in os.environ if name.startswith("SOAK_")), os.environ.get("GLIBC_TUNABLES")
print(b"glibc.malloc.tcache_count=0" in began, *handed_on, int(number) == os.getpid(), sys.argv[1:])
"""

# 40 MB in blocks of 8 KB, freed but for every tenth: glibc cannot give the holes back by itself.
HOLES = """
from soak.footprint import give_back
from soak.selfcost import resident_bytes
blocks = [bytes(8000) for _ in range(5000)]
blocks[:] = blocks[::10]
before = resident_bytes()
give_back()
print(before - resident_bytes())
"""

# Circles made before and after: those of before are permanent, those of after are found.
CIRCLES = """
import gc, weakref
from soak.footprint import give_back, keep_what_is_there
class Circle:
    def __init__(self):
        self.me = self
gc.disable()
early = Circle()
keep_what_is_there()
early, early_gone = None, weakref.ref(early)
late = Circle()
late, late_gone = None, weakref.ref(late)
give_back()
print(early_gone() is None, late_gone() is None)
"""


def printed(code: str, *arguments: str, env: dict[str, str] | None = None) -> str:
    """What a Python of its own prints that runs `code`."""
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True, env=env)
    return done.stdout.strip()


@pytest.mark.parametrize(("how", "least", "most"), [("one", 1, 1), ("glibc's own", 2, 100)])
def test_all_threads_share_one_arena(how: str, least: int, most: int) -> None:
    """Four threads beside the main one: one arena; several where glibc is left alone."""
    assert least <= printed(ARENAS, how).count("<heap nr=") <= most


@pytest.mark.parametrize("before", [None, "glibc.malloc.arena_test=2", "glibc.malloc.tcache_count=0"])
def test_the_process_begins_anew_without_caches_and_hands_on_what_was(before: str | None) -> None:
    """The same process number and arguments; what it starts gets the environment that it was given itself."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SOAK_", "GLIBC_"))}
    if before is not None:
        environment["GLIBC_TUNABLES"] = before
    assert printed(CACHES, "an argument", env=environment) == f"True [] {before} True ['an argument']"


def test_holes_are_given_back() -> None:
    """Nine tenths of 40 MB."""
    assert int(printed(HOLES)) > 25_000_000


def test_the_search_for_garbage_looks_at_what_came_later() -> None:
    """A circle that was there is permanent; a later one is collected."""
    assert printed(CIRCLES) == "False True"
