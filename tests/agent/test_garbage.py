"""A large heap that grew is collected where that is worth its pause: what is garbage is told without a collection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .conftest import Guest

# A heap of 100,000 objects, of which 0.5 % are 500; every heap is one whose collection takes long. `lost` makes cycles
# that Python itself leaves alone: in the oldest generation, with one hub that all of them refer to.
TARGET = """
import gc, sys
from _soak_agent import garbage, readings
readings.FREELY, garbage.PATIENCE = 0.0, 1e6
class Kept: pass
class Node: pass
base, kept, older = [[number] for number in range(100_000)], [], []
def alive(count):
    kept.extend([Kept() for _ in range(count)])
def cycles(count):
    hub = []
    for _ in range(count):
        node = Node()
        node.me, node.hub = node, hub
        hub.append(node)
    return hub
def lost(count):
    made = cycles(count)
    gc.collect(1)
    return len(made)
gc.set_threshold(1 << 30)
gc.collect()
print("ready", flush=True)
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""


HOW = {"off": "gc_collect", "sampler": "gc_found"}


def tell(guest: Guest, line: str) -> None:
    """Have the target do this."""
    assert guest.process.stdin is not None
    guest.process.stdin.write(f"{line}\n")
    guest.process.stdin.flush()
    assert guest.line() == "done"


def read(guest: Guest, line: str = "") -> tuple[bool, int]:
    """A reading after the target has done this: whether old garbage was collected, and how many Nodes are left.

    With the sampler's library it is collected without a full collection.
    """
    if line:
        tell(guest, line)
    reading = guest.read()
    assert reading["warnings"] == []
    done = {"gc_collect", "gc_found"} & set(reading["pauses_ms"])
    assert done == ({HOW[reading["mode"]]} if reading["collected"] is not None else set())
    return reading["collected"] is not None, nodes(reading)


def nodes(reading: dict[str, Any]) -> int:
    """How many Nodes it counted."""
    return sum(row["count"] for row in reading["types"] if row["type"] == "__main__.Node")


def full(guest: Guest) -> dict[str, Any]:
    """A reading with a full collection."""
    reading = guest.read()
    assert "gc_collect" in reading["pauses_ms"]
    return reading


@pytest.fixture(params=HOW)
def target(request: pytest.FixtureRequest, launch: Callable[..., Guest], python: str) -> Guest:
    """A large heap without garbage, looked at once."""
    guest = launch(TARGET, python=python, heap=request.param)
    assert guest.line() == "ready"
    assert read(guest) == (False, 0)
    return guest


def test_growth_that_is_alive_is_not_collected(target: Guest) -> None:
    """One to four per cent more at each of four readings: garbage is looked for, there is none, nobody is held up."""
    for step in range(1, 5):
        tell(target, f"alive({1000 * step})")
        reading = target.read()
        assert (reading["collected"], "garbage" in reading["pauses_ms"]) == (None, True)
    assert "garbage" not in target.read()["pauses_ms"]


def test_garbage_is_collected_when_there_is_enough_of_it(target: Guest) -> None:
    """1,000 cycles at once; 100 at each reading of a heap that grows: when they are one in two hundred objects.

    What was found is collected from one in a thousand on where that costs little.
    """
    assert read(target, "lost(1000)") == (True, 0)
    if target.read()["mode"] == "sampler":
        assert read(target, "alive(1000); lost(200)") == (True, 0)
    else:
        assert read(target, "alive(1000); lost(100)") == (False, 100)
        assert read(target, "alive(1000); lost(100)") == (False, 200)
    assert read(target, "alive(1000); lost(400)") == (True, 0)
    assert read(target, "alive(1000)") == (False, 0)


def test_a_full_collection_finds_what_is_garbage(target: Guest) -> None:
    """Where it is done after all objects were listed we hold none of them: a heap that shrank, no search possible."""
    tell(target, "lost(1000); readings.Readings._expected, readings.FREELY = lambda _: 10**12, 1e3")
    assert nodes(full(target)) == 0
    tell(target, "readings.FREELY, garbage.MOST = 0.0, 1; alive(1000); lost(1000)")
    assert nodes(full(target)) == 0


def test_garbage_that_was_alive_for_long_is_found(target: Guest) -> None:
    """A full cache of things with cycles, each replaced after several readings: what was thrown away is old."""
    tell(target, "older.append(cycles(1000))")
    for _ in range(3):
        assert read(target, "alive(1000)") == (False, 1000)
    assert read(target, "older[0] = cycles(1000)") == (True, 1000)


def test_a_collection_by_the_target_itself_is_no_harm(target: Guest) -> None:
    """It orders its objects anew and leaves no garbage; what comes after it is found."""
    assert read(target, "alive(1000); lost(1000); gc.collect()") == (False, 0)
    assert read(target, "alive(1000); gc.collect(); lost(1000)") == (True, 0)


def test_what_the_target_froze_is_left_alone(target: Guest) -> None:
    """Frozen garbage cannot be collected and is not counted; once thawed it is found, and so is garbage beside it."""
    assert read(target, "lost(2000); gc.freeze(); base.extend([[1] for _ in range(110_000)])") == (False, 0)
    assert read(target, "lost(1000)") == (True, 0)
    assert read(target, "gc.unfreeze()") == (True, 0)


def test_nothing_of_the_targets_classes_is_called(target: Guest) -> None:
    """Living and lost objects that end the process when they are compared, hashed, measured or asked anything."""
    source = [
        "def end(*_): import os; os._exit(3)",
        "names = '__eq__ __hash__ __len__ __bool__ __iter__ __sizeof__ __repr__ __getattribute__'.split()",
        "bases = (object, list, tuple, dict, set)",
        "kinds = [type('Node', (kind,), {**dict.fromkeys(names, end), '__class__': property(end)}) for kind in bases]",
        "alive = lambda count: kept.extend(kind() for kind in kinds for _ in range(count))",
        "cycles = lambda count: [list.append(node, node) or node for node in map(kinds[1], ((),) * count)]",
    ]
    for line in source:
        tell(target, line)
    assert read(target, "alive(1000)") == (False, 5000)
    assert read(target, "lost(1000)") == (True, 5000)


FORKING = """
import os, threading, time
begun, over = threading.Event(), threading.Event()
def count(self, objects):
    begun.set()
    while not self.stop():
        time.sleep(0.001)
    over.set()
    raise garbage.GivenUp
def fork():
    begun.wait()
    while not over.is_set():
        os.waitpid(os.fork() or os._exit(0), 0)
garbage.Search._count = count
threading.Thread(target=fork, daemon=True).start()
"""


def test_a_fork_ends_the_search(target: Guest) -> None:
    """A search that would go on for ever is told to stop when the target forks; a full collection is done instead."""
    tell(target, f"exec({FORKING!r})")
    tell(target, "alive(1000); lost(1000)")
    assert nodes(full(target)) == 0


def test_what_lives_is_left_alone_when_it_is_taken_for_garbage(launch: Callable[..., Guest], python: str) -> None:
    """All the target has is said to be garbage: the collector takes what is, and runs each finalizer once."""
    source = TARGET.replace("gc.set_threshold(1 << 30)", WRONG)
    guest = launch(source, python=python, heap="sampler")
    assert guest.line() == "ready"
    guest.read()
    tell(guest, "made = Ends(); made.me = made; gc.collect(); del made")
    tell(guest, "alive(1000); lost(1000); weak = weakref.ref(kept[0])")
    reading = guest.read()
    assert "gc_found" in reading["pauses_ms"]
    assert reading["collected"] >= 1000
    counts = {row["type"]: row["count"] for row in reading["types"]}
    assert (counts.get("__main__.Node", 0), counts["__main__.Kept"]) == (0, 1000)
    assert "gc_found" not in guest.read()["pauses_ms"]  # what was found wrongly is not looked for again and again
    tell(guest, "assert len(base) == 100_000 and base[7] == [7] and weak() is kept[0]")
    tell(guest, "assert len(back) == 1; gc.collect(); weak = weakref.ref(back.pop()); alive(1000)")
    assert "gc_found" in guest.read()["pauses_ms"]
    tell(guest, "assert weak() is None and not back")


def test_garbage_that_takes_too_long_to_collect_is_left(target: Guest) -> None:
    """With a limit, and so much of it that its collection would be over that: left, and said; without one it goes."""
    tell(target, "fits = readings.Stretches.fits; names = {'gc_found', 'gc_collect'}")
    tell(target, "readings.Stretches.fits = lambda self, name, count: name not in names and fits(self, name, count)")
    tell(target, "lost(1000)")
    reading = target.read()
    assert (nodes(reading), reading["collected"], len(reading["warnings"])) == (1000, None, 1)
    assert read(target, "names.clear(); alive(1000)") == (True, 0)


QUEUED = """
import gc, sys, weakref
from _soak_heap_sampler import HeapSampler
sampler, called = HeapSampler(), []
assert sampler.available()[0]
class Node: pass
def note(one):
    if not called:
        sampler.make_young(list(weak))
    called.append(one)
nodes = [Node() for _ in range(4)]
for node in nodes:
    node.me = node
weak = [weakref.ref(node, note) for node in nodes]
del nodes, node
gc.collect()
print(len(called), len({sys.getrefcount(one) for one in weak}), flush=True)
sys.stdin.readline()
"""


def test_a_callback_that_waits_in_a_collection_is_not_lost(launch: Callable[..., Guest], python: str) -> None:
    """What is made young while another collection calls callbacks: those that it has still to call are left to it."""
    guest = launch(QUEUED, python=python, heap="sampler")
    assert guest.line() == "4 1"


WRONG = """
import weakref
class Ends:
    def __del__(self): back.append(self)
back = []
def all_of_it(self, objects):
    taken = list(objects)
    objects.clear()
    return taken
def count(self, objects):
    number = len(objects)
    objects.clear()
    return number // 50
garbage.Search.lost, garbage.Search.among = all_of_it, count
gc.set_threshold(1 << 30)
"""


KINDS = """
import asyncio, collections, functools, gc, itertools, sys, threading, types, weakref
from _soak_agent import garbage
from _soak_agent.stretches import Stretches
garbage.PATIENCE = 1e6
class Slots:
    __slots__ = ("me", "it", "__weakref__")
def fail():
    large = [[]]
    try:
        raise ValueError(large)
    except ValueError as error:
        kept = error
def wait():
    me = yield
    yield me
async def end():
    await asyncio.sleep(0)
def lose():
    fail()
    generator = wait()
    next(generator)
    generator.send(generator)
    def function():
        return function
    kind = type("Kind", (), {"own": lambda self: kind})
    kind.one = kind()
    slots = Slots()
    slots.me, slots.it = slots, weakref.ref(slots)
    ordered = collections.OrderedDict()
    default = collections.defaultdict(list)
    queue = collections.deque([ordered, default])
    ordered["queue"] = queue
    default["queue"].append(ordered)
    partial = functools.partial(print)
    partial.me = [partial]
    @functools.lru_cache(None)
    def cached(number):
        return cached
    cached(1)
    mixed = []
    mixed += [mixed.append, iter(mixed), zip(mixed), itertools.chain(mixed), property(mixed.pop), (mixed,)]
    mixed += [slice(mixed), types.SimpleNamespace(mixed=mixed), frozenset([mixed.append])]
    module = types.ModuleType("module")
    exec("def function(): return function", vars(module))
    thread = threading.Thread()
    thread.me = thread
    error = Exception()
    error.args = (error,)
    hub = []
    hub += [[hub] for _ in range(300)]
    coroutine = end()
    coroutine.close()
asyncio.run(end())
gc.collect()
gc.disable()
for _ in range(30):
    lose()
found = garbage.Search(Stretches(), bool).among(gc.get_objects())
print(found, gc.collect(), flush=True)
sys.stdin.readline()
"""


def test_it_counts_what_the_collector_counts(launch: Callable[..., Guest], python: str) -> None:
    """Garbage of many kinds, some thousand objects: as many as gc.collect() finds, give or take a twentieth."""
    guest = launch(KINDS, python=python)
    found, collected = map(int, guest.line().split())
    assert collected > 10_000
    assert abs(found - collected) <= collected / 20
