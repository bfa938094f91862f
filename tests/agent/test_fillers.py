"""The functions that fill a growing container are named, by its variable or attribute, on every interpreter."""

from __future__ import annotations

from collections.abc import Callable

from .conftest import WALK_S, Guest

FILLING = """
import collections, functools, sys, weakref
class Machine:
    def __init__(self): self.tasks = {}
    def process(self, model):
        def inner():
            self.tasks[model] = [model]
        inner()
    def count(self): return len(self.tasks)
class Jar:
    def __init__(self): self.cookies = collections.defaultdict(list)
    def look_up(self, domain): return self.cookies[domain]
@functools.lru_cache(None)
def headers(number): return [number]
class Seen: pass
MACHINE, JAR, KEPT, SEEN = Machine(), Jar(), [], weakref.WeakSet()
def remember(number): KEPT.append([number])
def leak(first, last):
    for number in range(first, last):
        MACHINE.process(number); JAR.look_up(number); remember(number); headers(number)
        SEEN.add(KEPT.append(Seen()) or KEPT[-1])
def stop(word):
    print(word, flush=True)
    if not sys.stdin.readline(): sys.exit()
leak(0, 200)
stop("ready")
leak(200, 500)
stop("more")
"""


def test_what_fills_a_container_is_found(launch: Callable[..., Guest], python: str) -> None:
    """By key in a method, by reading a defaultdict, by append in a module, through a cache: and not who only counts."""
    guest = launch(FILLING, python=python)
    assert guest.line() == "ready"
    guest.client.holders(guest.pid, (), deadline=WALK_S)
    assert guest.go() == "more"
    rows = guest.client.holders(guest.pid, (), deadline=WALK_S)["holders"]
    filled = {row["path"][-1]: [frame[2].rpartition(".")[2] for frame in row["filled_by"]] for row in rows}
    assert filled["dict tasks"] == ["inner"]
    assert filled["collections.defaultdict cookies"] == ["look_up"]
    assert "remember" in filled["list KEPT"]
    assert "WeakSet" not in str(rows), "a weak set keeps nothing"
    assert ["headers"] in filled.values()
