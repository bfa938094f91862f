"""Who holds what grows: chains of references from a module, class or running function down to the newest instances.

The walk is objgraph's `find_backref_chain`, loaded by path under a private name; its `gc` is replaced by `Edges`, which
keeps the deadline, leaves our own objects out, and gives a root at once instead of everything that shares it. Each step
is one pass over the heap (15 to 25 ms for 260,000 objects, no other thread runs meanwhile), so between two steps the
target gets its turn. Dictionary keys are never sent, only the names of variables and attributes: keys may be secrets.
"""

from __future__ import annotations

import sys

from .contents import Contents
from .fillers import fillers, wrapped
from .names import is_class, type_name
from .running import FRAME, WAITING, Running, frame_of, is_given, name_in
from .stacks import OWN
from .stdlib import load, original, private
from .unlisted import Unlisted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .stretches import Stretches

    Wanted = tuple[str, Any, int | None, list[dict[str, Any]]]

DEADLINE = 2.0  # s of CPU for one request
PATIENCE = 5  # times as long by the clock: on a busy machine the passes take no more of the target, but longer
PER_TYPE = 2  # newest instances followed
BRANCHES = 12  # referrers of one object that are followed
DEPTH = 14  # steps from the instance to its root
BREATH = 0.002  # s in which the target may run between two steps
LARGE = 64  # items: smaller containers are not watched for growth
WATCHED = 20_000  # containers remembered between two requests
GREW = 16  # items a container must have grown by to be followed
WEIGHED = 32  # containers that grew by most items, of which it is looked what they hold
FOLLOWED = 6  # of those, the heaviest: a weak registry or two may be among them, and they are left out
FAINT = 0.1
UNKNOWN = 100.0  # bytes of an item that could not be looked at
PIECE = 5_000  # objects looked at in one go
NUMBERS = frozenset({"int", "float", "complex", "bool", "NoneType"})  # what holds nothing else has FAINT of its weight
WEAK = frozenset({"WeakSet", "WeakValueDictionary", "WeakKeyDictionary"})
# What holds a thing only while it runs, or whatever there is: a path through it names nobody.
PASSING = (("asyncio.tasks", "_current_tasks"), ("_asyncio", "_current_tasks"), ("asyncio.tasks", "_eager_tasks"))
UNUSED = frozenset({"codecs", "collections", "inspect", "re", "subprocess", "tempfile"})  # by what we use of objgraph

_Module, _Function = type(sys), type(load)


class Late(Exception):
    """The deadline has passed."""


class Edges:
    """Stands for `gc` in objgraph: the referrers of an object that are worth following.

    What runs or waits is no root while `running` is None: what it holds, a module mostly holds as well.
    """

    def __init__(self, ours: set[int], seconds: float, stretches: Stretches) -> None:
        self.sleep = original("time", "sleep")
        self.referrers = load("gc").get_referrers
        self.ours = ours
        self.worked = stretches.cpu() + seconds
        self.ends = stretches.clock() + PATIENCE * seconds
        self.stretches = stretches
        self.running: Running | None = None
        self._looked: Running | None = None
        self._given: list[Any] = []  # frames that were running; others are of functions that ended, as in a traceback

    def look(self, *, at_running: bool) -> None:
        """Whether what runs or waits counts from here on; it is looked at once."""
        self._given.clear()
        if at_running and self._looked is None:
            self._looked = Running(self.stretches)
        self.running = self._looked if at_running else None

    def collect(self) -> int:
        """It was done before."""
        return 0

    def get_referrers(self, *objects: Any) -> list[Any]:
        """Roots alone when there is one, else the BRANCHES largest; Late after the deadline."""
        self.sleep(BREATH)
        if self.stretches.cpu() > self.worked or self.stretches.clock() > self.ends:
            raise Late
        # The very tuple goes on: up to 3.12 gc leaves that one out of what it finds, and a second one would be found.
        found = self.stretches.run("holders", lambda: self.referrers(*objects))
        found = [item for item in found if item is not objects and id(item) not in self.ours and self._lasts(item)]
        if self.running is not None:
            held = [frame for item in objects for frame in self.running.holding(item) if not _is_own(frame)]
            self._given += held
            found += held
        roots = [item for item in found if self.is_root(item)]
        if roots:
            return sorted(roots, key=lambda item: (type(item) is not _Module, is_given(item, objects)))[:1]
        found.sort(key=lambda item: (-_size(item), is_given(item, objects)))
        return found[:BRANCHES]

    def is_root(self, item: Any) -> bool:
        """A module that can be imported or a class; also a function that runs or waits, once `running` is there."""
        if self.running is None or is_root(item):
            return is_root(item)
        return type(item) in WAITING or any(frame is item for frame in self._given)

    def _lasts(self, item: Any) -> bool:
        return (self.running is not None or type(item) is not FRAME) and not _is_own(item) and not _is_weak(item)


def _is_own(item: Any) -> bool:
    if type(item) is FRAME:
        return str(item.f_code.co_filename).startswith(OWN) or "objgraph" in item.f_code.co_filename
    if type(item) is _Module:
        return str(item.__dict__.get("__name__", "")).startswith("_soak")
    return type(item) is _Function and str(item.__code__.co_filename).startswith(OWN)


def _size(item: Any) -> int:
    return len(item) if type(item) in (dict, list, set, tuple) else 0


def _is_weak(item: Any) -> bool:
    """A registry that keeps nothing alive; by name, because the guest may not have imported weakref."""
    return any(kind.__name__ in WEAK for kind in type.__dict__["__mro__"].__get__(type(item)))


def is_root(item: Any) -> bool:
    """A module that can be imported, or a class."""
    if type(item) is _Module:
        return sys.modules.get(item.__dict__.get("__name__", "")) is item
    return is_class(item)


def passing() -> set[int]:
    """The identities of the containers in PASSING, as far as the target has imported them."""
    found = (getattr(sys.modules.get(module), name, None) for module, name in PASSING)
    return {id(item) for item in found if item is not None}


def _chain(graph: Any, edges: Edges, item: Any) -> list[Any]:
    """From a module or class down to `item`; from what runs or waits where there is no other; else `item` alone."""
    edges.look(at_running=False)
    chain: list[Any] = graph.find_backref_chain(item, edges.is_root, DEPTH)
    if len(chain) < 2:
        edges.look(at_running=True)
        chain = graph.find_backref_chain(item, edges.is_root, DEPTH)
    return chain


class Holders:
    """Answers `holders`; remembers how large containers were, to see which have grown since the last time."""

    def __init__(self) -> None:
        self.sizes: dict[int, int] = {}
        self.before: dict[int, int] = {}
        self.cut = False
        self.contents = Contents()
        tools = load("itertools")
        self.compress = tools.compress
        collections = load("_collections")
        self.containers = {dict, list, set, collections.deque, collections.defaultdict, collections.OrderedDict}
        self.objects = load("gc").get_objects

    def read(self, request: dict[str, Any], ours: set[int], stretches: Stretches) -> dict[str, Any]:
        """Chains for the types named in `types` and for what has grown since the last call, within `deadline` s of CPU.

        None where one pass over all objects would take longer than a stretch may. Raises OSError when objgraph is not
        at the path given as `objgraph`.
        """
        graph = private("_soak_objgraph", str(request["objgraph"]), UNUSED)
        seconds = float(request.get("deadline", DEADLINE))
        edges = Edges(ours | passing() | {id(self.__dict__), id(self.sizes), id(self.before)}, seconds, stretches)
        graph.gc = edges
        late = False
        rows: list[dict[str, Any]] = []
        caches: set[int] = set()
        try:
            for kind, item, growth, holds in self._wanted(set(request.get("types", ())), ours, stretches):
                chain = _chain(graph, edges, item)
                if len(chain) < 2 or _is_weak(item):  # nothing that lasts holds it
                    continue
                chain = chain[: -1 if growth and self.contents.is_cache(chain[-2]) else None]  # not its table
                row: dict[str, Any] = {"type": kind, "growth": growth, "path": describe(chain)}
                row["filled_by"] = filled_by(chain)
                if growth:
                    row.update(length=self.contents.length(item), bound=self.contents.bound(chain), holds=holds)
                    row["watched"] = id(item) in self.before
                if growth and self.contents.is_cache(chain[-1]):
                    if id(chain[-1]) in caches:
                        continue
                    caches.add(id(chain[-1]))
                rows.append(row)
        except Late:
            late = True
        finally:
            graph.gc = None  # it stays, and had what was looked at
        longest = {"pause_ms": stretches.seconds, "pause_cpu_ms": stretches.worked}
        pauses = {name: max(table.values(), default=0.0) * 1e3 for name, table in longest.items()}
        return {"holders": rows, "late": late, **pauses}

    def _wanted(self, types: set[str], ours: set[int], stretches: Stretches) -> list[Wanted]:
        """The newest instances of the types, and the containers that have grown most, the heaviest first."""
        objects = stretches.run("objects", self.objects)  # before there are tables of ours that could be among them
        living = len(objects)
        kinds: dict[type, str] = {}
        newest: dict[type, list[Any]] = {}
        large: list[Any] = []
        unlisted = Unlisted(LARGE, stretches.cpu, self.contents.cache_type())
        watched = {*self.containers, *filter(None, [self.contents.cache_type()])}

        def look(piece: list[Any]) -> None:
            for kind in set(map(type, piece)).difference(kinds):
                kinds[kind] = type_name(kind)
                if kinds[kind] in types:
                    newest[kind] = []
            for item in self.compress(reversed(piece), map(newest.__contains__, map(type, reversed(piece)))):
                if len(newest[type(item)]) < PER_TYPE:
                    newest[type(item)].append(item)
            large.extend(self._large(list(self.compress(piece, map(watched.__contains__, map(type, piece))))))
            unlisted.look(piece)

        stretches.slices("types", objects, look, PIECE)
        self.cut |= unlisted.cut
        own = {id(self.sizes), id(self.before)}
        grown = self._grown(large, {key: item for key, item in unlisted.found.items() if key not in own})
        wanted = self._heaviest([pair for pair in grown if id(pair[1]) not in ours], stretches)
        wanted += [(kinds[kind], item, None, []) for kind, items in newest.items() for item in items]
        return [one for one in wanted if id(one[1]) not in ours] if stretches.fits("holders", living) else []

    def _large(self, containers: list[Any]) -> list[Any]:
        """Those of more than LARGE items."""
        caches = [item for item in containers if self.contents.is_cache(item)]
        plain = [item for item in containers if not self.contents.is_cache(item)] if caches else containers
        found = list(self.compress(plain, map(LARGE.__lt__, map(len, plain))))
        return found + [item for item in caches if self.contents.length(item) > LARGE]

    def _grown(self, large: list[Any], unlisted: dict[int, Any]) -> list[tuple[int, Any]]:
        """(growth, container) of those that have grown by most items since the last call.

        Of what the collector does not list a part may have been missed then: what was not seen has not grown.
        """
        sizes = [(self.contents.length(item), item) for item in [*large, *unlisted.values()]]
        sizes.sort(key=lambda pair: -pair[0])
        self.before, self.sizes = self.sizes, {id(item): length for length, item in sizes[:WATCHED]}
        if not self.before:
            return []
        grown = []
        for length, item in sizes:
            growth = length - self.before.get(id(item), length if self.cut and id(item) in unlisted else 0)
            if growth >= GREW:
                grown.append((growth, item))
        grown.sort(key=lambda pair: -pair[0])
        return grown[:WEIGHED]

    def _heaviest(self, grown: list[tuple[int, Any]], stretches: Stretches) -> list[Wanted]:
        """The FOLLOWED whose new items take most memory; what holds nothing but numbers counts for little."""
        weighed = []
        for growth, item in grown:
            holds = stretches.run("contents", self.contents.look, item)
            stretches.breathe()
            figures = bool(holds) and all(row["type"] in NUMBERS for row in holds)
            size = sum(row["bytes"] for row in holds) or UNKNOWN
            weighed.append((growth * size * (FAINT if figures else 1.0), (type_name(type(item)), item, growth, holds)))
        weighed.sort(key=lambda row: -row[0])
        return [wanted for _, wanted in weighed[:FOLLOWED]]


def describe(chain: list[Any]) -> list[str]:
    """A chain of objects, root first, in words: `module app.cache`, `dict _CACHE`, `list`, `app.Session`."""
    words: list[str] = []
    owner: Any = None
    for position, item in enumerate(chain):
        following = chain[position + 1] if position + 1 < len(chain) else None
        if type(item) is dict and following is not None and _is_namespace(owner, item):
            continue  # the variables of a module or object: what follows bears the name
        if type(item) is FRAME and type(owner) in WAITING:
            continue  # up to 3.10 it has the variables of what waits
        words.append(_word(owner, item, position == 0))
        owner = item
    return words


def filled_by(chain: list[Any]) -> list[list[Any]]:
    """[file, line, function] of what fills the innermost container of a chain that has a name, or of what it caches."""
    for position in range(len(chain) - 1, 0, -1):
        item, owner = chain[position], chain[position - 1]
        cached = wrapped(item)
        if cached:
            return cached
        if position > 1 and type(owner) is dict and _is_namespace(chain[position - 2], owner):
            owner = chain[position - 2]
        name = _name_in(owner, item)
        if name and hasattr(type(item), "__len__"):
            return fillers(owner, name, item)
    return []


def _is_namespace(owner: Any, item: dict[Any, Any]) -> bool:
    return is_class(owner) or (owner is not None and _namespace(owner) is item)


def _namespace(owner: Any) -> Any:
    try:
        return object.__getattribute__(owner, "__dict__")
    except (AttributeError, TypeError):
        return None


def _word(owner: Any, item: Any, first: bool) -> str:
    if type(item) is _Module:
        return f"module {item.__dict__.get('__name__', '?')}"
    if is_class(item):
        return f"class {type_name(item)}"
    frame = frame_of(item)
    if frame is not None:
        state = "running" if first or type(item) in WAITING else "frame of"
        return f"{state} {frame.f_code.co_name} in {frame.f_globals.get('__name__', '?')}"
    name = "" if first else _name_in(owner, item)
    if type(item) is _Function:
        return f"function {item.__module__}.{item.__qualname__}"
    return type_name(type(item)) + (f" {name}" if name else "")


def _name_in(owner: Any, item: Any) -> str:
    """The variable or attribute of `owner` that is `item`; empty when it is reached by a key or a position."""
    if type(owner) is FRAME or type(owner) in WAITING:
        return name_in(owner, item)
    space = _namespace(owner)
    if is_class(owner):
        space = dict(type.__dict__["__dict__"].__get__(owner))
    if isinstance(space, dict):
        for name, value in list(space.items()):
            if value is item:
                return str(name)
    return _slot_of(owner, item)


def _slot_of(owner: Any, item: Any) -> str:
    for kind in type.__dict__["__mro__"].__get__(type(owner)):
        for name, member in list(type.__dict__["__dict__"].__get__(kind).items()):
            if type(member).__name__ == "member_descriptor":
                try:
                    if member.__get__(owner) is item:
                        return str(name)
                except (AttributeError, TypeError):
                    continue
    return ""
