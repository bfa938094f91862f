"""What grown containers hold, how much fits into them, and those that the collector does not list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .conftest import WALK_S, Guest

GROWING = """
import collections, functools, sys
COMMON = ["x" * 900 + str(number) for number in range(50)]
class Session:
    def __init__(self, number): self.text, self.common = str(number) * 200, COMMON
class Cache:
    def __init__(self):
        self.maxsize, self.capacity, self.data = 5000, 3, {}
    def keep(self, key): self.data[key] = key * 50
class Shop:
    pages = {}
@functools.lru_cache(maxsize=6000)
def page(name): return name * 90
@functools.cache
def title(name): return name * 80
SESSIONS, NAMES, CACHE = {}, {}, Cache()
LATENCIES, EVENTS = collections.deque(maxlen=9000), collections.deque(maxlen=7000)
def handle(number):
    LATENCIES.append(number * 0.5); LATENCIES.append(number * 0.25)
    SESSIONS[number] = Session(number)
def remember(number):
    name = "name%d" % number
    NAMES[name] = name.encode() * 30
    Shop.pages[name] = name * 40
    CACHE.keep(name); page(name); title(name)
    EVENTS.append({"event": name * 10})
def leak(first, last):
    for number in range(first, last): handle(number); remember(number)
def stop(word):
    print(word, flush=True)
    if not sys.stdin.readline(): sys.exit()
leak(0, 200)
stop("ready")
leak(200, 700)
stop("more")
"""


def grown(guest: Guest) -> dict[str, dict[str, Any]]:
    """What has grown between the two stops of GROWING, by the last step of its path, heaviest first."""
    assert guest.line() == "ready"
    guest.client.holders(guest.pid, (), deadline=WALK_S)
    assert guest.go() == "more"
    return {row["path"][-1]: row for row in guest.client.holders(guest.pid, (), deadline=WALK_S)["holders"]}


def only(*lines: str) -> str:
    """GROWING with a `remember` of these lines alone."""
    head, _, rest = GROWING.partition("    NAMES[name] = name.encode() * 30\n")
    return head + "".join(f"    {line}\n" for line in lines) + "def leak" + rest.partition("def leak")[2]


def test_numbers_come_last_however_many(launch: Callable[..., Guest], python: str) -> None:
    """A deque got two latencies for each session that a registry keeps: the registry is told first."""
    rows = grown(launch(only("pass"), python=python))
    assert list(rows) == ["dict SESSIONS", "collections.deque LATENCIES"]
    assert [row["growth"] for row in rows.values()] == [500, 1000]
    assert [held["type"] for held in rows["collections.deque LATENCIES"]["holds"]] == ["float"]
    held = {row["type"]: row for row in rows["dict SESSIONS"]["holds"]}
    assert (held["__main__.Session"]["per_item"], held["__main__.Session"]["tracked"]) == (1.0, True)
    assert 600 < held["__main__.Session"]["bytes"] < 1200, (
        "an instance with its text of 600 characters, without what it shares"
    )
    assert held["int"]["tracked"] is False


def test_dictionaries_that_the_collector_does_not_list_are_found(launch: Callable[..., Guest], python: str) -> None:
    """dict[str, bytes] in a module, a class and an object, and the tables of caches, each with what fills it."""
    source = only(
        "NAMES[name] = name.encode() * 30", "Shop.pages[name] = name * 40", "CACHE.keep(name); page(name); title(name)"
    ).replace("SESSIONS[number]", "pass #")
    rows = grown(launch(source, python=python))
    filled = {path: {frame[2].rpartition(".")[2] for frame in row["filled_by"]} for path, row in rows.items()}
    assert filled["dict NAMES"] == {"remember"}
    assert filled["dict data"] == {"keep"}
    assert filled["functools._lru_cache_wrapper page"] == {"page"}
    assert filled["functools._lru_cache_wrapper title"] == {"title"}
    assert (rows["dict pages"]["growth"], rows["dict pages"]["length"]) == (500, 700)
    assert len(rows) == 6, "each cache once, not its table beside it"


def test_the_bound_of_what_grew_is_told(launch: Callable[..., Guest], python: str) -> None:
    """Of a cache, of a deque, of the object around a dict; none where there is none or it is exceeded already."""
    source = only("CACHE.keep(name); page(name); title(name)", 'EVENTS.append({"event": name * 10})')
    source = source.replace(
        "def leak", "    if number > 199: globals().setdefault('LATE', []).append(name * 9)\ndef leak"
    )
    rows = grown(launch(source, python=python))
    bounds = {path: (row["length"], row["bound"]) for path, row in rows.items()}
    assert bounds["functools._lru_cache_wrapper page"] == (700, 6000)
    assert bounds["functools._lru_cache_wrapper title"] == (700, None)
    assert bounds["dict data"] == (700, 5000)
    assert bounds["collections.deque EVENTS"] == (700, 7000)
    assert bounds["list LATE"] == (500, None)
    assert [path for path, row in rows.items() if not row["watched"]] == ["list LATE"]


HOSTILE = """
import sys
def ran(*_): print("ran", flush=True)
class Meta(type): pass
class Strange(metaclass=Meta):
    __len__ = __iter__ = __sizeof__ = __eq__ = __bool__ = __reversed__ = ran
    __hash__ = lambda self: ran() or 1
    __class__ = property(ran)
    def __getattribute__(self, name): ran()
class Owner:
    def __init__(self): object.__setattr__(self, "data", {})
    maxsize = property(ran)
    def __getattr__(self, name): ran()
OWNER, KEPT = Owner(), []
def leak(first, last):
    for number in range(first, last):
        OWNER.data[number] = KEPT.append(Strange()) or KEPT[-1]
leak(0, 200)
print("ready", flush=True)
sys.stdin.readline()
leak(200, 700)
print("more", flush=True)
sys.stdin.readline()
"""


def test_no_code_of_the_target_runs_for_it(launch: Callable[..., Guest], python: str) -> None:
    """Elements whose every method would be heard, in an object whose attributes are made up."""
    guest = launch(HOSTILE, python=python)
    rows = grown(guest)
    guest.kill()
    assert guest.process.stdout is not None
    assert guest.process.stdout.read() == ""
    assert {held["type"] for held in rows["list KEPT"]["holds"]} == {"__main__.Strange"}
