"""What keeps the memory of the daemon where it was: each in a process of its own, as it changes the whole process."""

from __future__ import annotations

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

# By how much memory in use grows, as malloc counts it, while a thread begins.
KEPT = """
import ctypes, sys, threading
from soak.footprint import fill_thread, one_arena
class Info(ctypes.Structure):
    _fields_ = [(f"field{n}", ctypes.c_size_t) for n in range(10)]
libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Info
def used():
    return libc.mallinfo2().field7
kept, begin, told, end = [], *(threading.Event() for _ in range(3))
def work():
    begin.wait()
    if sys.argv[1] == "filled":
        fill_thread()
    kept.append(used())
    told.set()
    end.wait()
one_arena()
thread = threading.Thread(target=work)
thread.start()
before = used()
begin.set()
told.wait()
end.set()
thread.join()
print(kept[0] - before)
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


def printed(code: str, *arguments: str) -> str:
    """What a Python of its own prints that runs `code`."""
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize(("how", "least", "most"), [("one", 1, 1), ("glibc's own", 2, 100)])
def test_all_threads_share_one_arena(how: str, least: int, most: int) -> None:
    """Four threads beside the main one: one arena; several where glibc is left alone."""
    assert least <= printed(ARENAS, how).count("<heap nr=") <= most


@pytest.mark.parametrize(("how", "least", "most"), [("filled", 150_000, 300_000), ("empty", -50_000, 50_000)])
def test_a_thread_keeps_from_its_beginning_what_it_will_ever_keep(how: str, least: int, most: int) -> None:
    """Some 240 KB of small blocks, free but its own."""
    assert least < int(printed(KEPT, how)) < most


def test_holes_are_given_back() -> None:
    """Nine tenths of 40 MB."""
    assert int(printed(HOLES)) > 25_000_000


def test_the_search_for_garbage_looks_at_what_came_later() -> None:
    """A circle that was there is permanent; a later one is collected."""
    assert printed(CIRCLES) == "False True"
