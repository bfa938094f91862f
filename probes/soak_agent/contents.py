"""What a container that grew holds: how many items, of which types and sizes, and how many it may hold at most.

Nothing of the target runs for it: a few elements of the builtin containers alone are looked at, sizes are what the
interpreter itself says, attributes are looked up in dictionaries and not on objects.
"""

from __future__ import annotations

import sys

from .names import is_class, type_name
from .stdlib import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

SAMPLE = 6  # elements of a container
VISITS = 60  # objects weighed for them
DEEP = 3  # references from an element to what is weighed with it
WIDE = 256  # items: larger containers inside an element are weighed without what they hold
LARGEST_CACHE = 50_000  # entries of a functools cache, all of which have to be gone through for a few
GC_HEAD = 16  # bytes in front of what the collector follows
BOUNDS = ("maxsize", "max_size", "maxlen", "_maxsize", "capacity")  # attributes that say how many items fit

_Module, _Function = type(sys), type(load)
_ATOMS = frozenset({str, bytes, bytearray, int, float, complex, bool, type(None)})
_PLAIN = frozenset({list, dict, tuple, set, frozenset})
_space_of = type.__dict__["__dict__"].__get__


class Contents:
    """Looks into containers of exactly the types dict, list, set, deque, defaultdict, OrderedDict, and lru_cache's."""

    def __init__(self) -> None:
        gc, collections = load("gc"), load("_collections")
        self.referents, self.tracked = gc.get_referents, gc.is_tracked
        self.islice = load("itertools").islice
        self.deque = collections.deque
        self.dicts = frozenset({dict, collections.defaultdict, collections.OrderedDict})
        self.cache: Any = None
        holder = [object()]
        self.alone = max(map(sys.getrefcount, self.referents(holder)[:VISITS]))  # for what has one owner

    def cache_type(self) -> Any:
        """The type of what functools.lru_cache and cache make; None while the target has not imported functools."""
        if self.cache is None and "_functools" in sys.modules:
            self.cache = sys.modules["_functools"].__dict__.get("_lru_cache_wrapper")
        return self.cache

    def is_cache(self, item: Any) -> bool:
        """Whether it is a function with a cache of functools."""
        return self.cache_type() is not None and type(item) is self.cache

    def length(self, item: Any) -> int:
        """Items that it holds."""
        return int(self._cache_info(item)[3]) if self.is_cache(item) else len(item)

    def bound(self, chain: list[Any]) -> int | None:
        """How many items the last of a chain may hold at most: its own bound, or that of the object it belongs to."""
        item = chain[-1]
        length = self.length(item)
        if self.is_cache(item):
            told = self._cache_info(item)[2]
        elif type(item) is self.deque and self.deque.maxlen.__get__(item) is not None:
            told = self.deque.maxlen.__get__(item)
        else:
            told = min((value for value in _bounds(chain[:-1]) if value >= length), default=None)
        return told if type(told) is int and told >= max(length, 1) else None

    def look(self, item: Any) -> list[dict[str, Any]]:
        """The types among its newest items: how many to an item, bytes with what hangs on them, known to gc or not.

        Of a dict keys count as well as values. Empty where it changes meanwhile, or cannot be looked into.
        """
        try:
            newest = self._newest(item)
        except RuntimeError:  # a collection of garbage on the way had it changed
            return []
        pairs = type(item) in self.dicts or self.is_cache(item)
        items = len(newest) / (2.0 if pairs else 1.0)
        seen = {id(item)}
        found: dict[str, list[Any]] = {}
        for one in newest:
            row = found.setdefault(type_name(type(one)), [0, 0, False])
            row[0] += 1
            row[1] += self._weigh(one, seen)
            row[2] |= bool(self.tracked(one))
        return [
            {"type": kind, "per_item": count / items, "bytes": size / items, "tracked": tracked}
            for kind, (count, size, tracked) in found.items()
        ]

    def _newest(self, item: Any) -> list[Any]:
        kind = type(item)
        if self.is_cache(item):
            return self._of_cache(item)
        if kind is list:
            return list(list.__getitem__(item, slice(-SAMPLE, None)))
        if kind in self.dicts:
            sides: Iterable[Any] = (dict.keys(item), dict.values(item))
            return [one for side in sides for one in self.islice(reversed(side), SAMPLE)]
        return list(self.islice(reversed(item) if kind is self.deque else iter(item), SAMPLE))

    def _of_cache(self, item: Any) -> list[Any]:
        """Arguments and results of a few calls: those kept longest where it has a bound, else the latest."""
        size = self.length(item)
        if size > LARGEST_CACHE:
            return []
        told = self.referents(item)
        table = [one for one in told if type(one) is dict and len(one) == size]
        if len(told) < 2 * size and table:  # without a bound, arguments and results are in its table alone
            return self._newest(table[0])
        return [one for one in told[: 4 * SAMPLE] if not is_class(one)][: 2 * SAMPLE]

    def _cache_info(self, item: Any) -> Any:
        return _space_of(type(item))["cache_info"](item)

    def _weigh(self, item: Any, seen: set[int]) -> int:
        """Bytes of `item` and of what it alone holds, as far as that is near."""
        total, level, visits = 0, [item], 0
        for _ in range(DEEP):
            below: list[Any] = []
            for one in level:
                kind = type(one)
                if id(one) in seen or visits >= VISITS or is_class(one) or kind is _Module or kind is _Function:
                    continue
                seen.add(id(one))
                visits += 1
                builtin = kind in _ATOMS or kind in _PLAIN or kind in self.dicts
                size: Any = kind.__sizeof__ if builtin else object.__sizeof__
                total += size(one)
                total += GC_HEAD if self.tracked(one) else 0
                if kind not in _ATOMS and not (builtin and len(one) > WIDE):
                    below += self._own(one)
            level = below
        return total

    def _own(self, item: Any) -> list[Any]:
        """The first of what `item` refers to and nothing else does: the rest would be there without it."""
        told = self.referents(item)[:VISITS]
        counts = list(map(sys.getrefcount, told))
        return [one for one, count in zip(told, counts) if count <= self.alone]


def _bounds(owners: list[Any]) -> list[int]:
    """The bounds among the attributes of the object that a container belongs to, the last of `owners`."""
    space: Any = None
    if owners and type(owners[-1]) is not dict:
        space = _attributes(owners[-1])
    elif len(owners) > 1 and _attributes(owners[-2]) is owners[-1]:  # the attributes, as an object of their own
        space = owners[-1]
    if type(space) is not dict:
        return []
    return [
        value
        for name, value in list(space.items())
        if type(value) is int and type(name) is str and (name in BOUNDS or name.endswith("__maxsize"))
    ]


def _attributes(owner: Any) -> Any:
    """The dictionary of an object's attributes; None for modules and classes, whose names are not one thing's."""
    if type(owner) is _Module or is_class(owner):
        return None
    try:
        return object.__getattribute__(owner, "__dict__")
    except (AttributeError, TypeError):
        return None
