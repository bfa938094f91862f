"""Dictionaries that the garbage collector does not list: before 3.14 those whose keys and values are all atomic.

`dict[str, bytes]` is no part of a cycle, so `gc.get_objects` leaves it out, however large it is. What holds it is
listed, mostly: small dictionaries (the variables of modules, classes and objects are such) and instances are asked what
they refer to, which the collector itself asks of them and no code of the target answers.
"""

from __future__ import annotations

from .running import FRAME, WAITING
from .stdlib import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAMES = 2_000  # items: larger dictionaries are no variables of anything
SECONDS = 0.5  # of CPU for all of it, in one look over the heap
HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: a class that was made while the program ran
LONG = frozenset({dict, list, set, tuple, frozenset, type})  # what is made of these may be as long as they
DICT = frozenset({dict})

_flags_of = type.__dict__["__flags__"].__get__
_ancestors_of = type.__dict__["__mro__"].__get__


class Unlisted:
    """Finds them in the slices of one look over all objects; `cut` when there was no time for all slices."""

    def __init__(self, least: int, cpu: Any, besides: Any) -> None:
        gc, tools = load("gc"), load("itertools")
        self.referents, self.tracked, self.compress = gc.get_referents, gc.is_tracked, tools.compress
        self.needed = not gc.is_tracked({"": ""})
        self.least = least  # items
        self.cpu = cpu
        # A cache refers to all that it holds, and is looked at itself; what waits, to its variables.
        self.kinds: dict[type, bool] = {besides: False, **dict.fromkeys((*WAITING, FRAME), True)}
        self.spent = 0.0
        self.cut = False
        self.found: dict[int, dict[Any, Any]] = {}

    def look(self, piece: list[Any]) -> None:
        """Note what the objects of a slice refer to."""
        if not self.needed or self.cut:
            return
        begun = self.cpu()
        for kind in set(map(type, piece)).difference(self.kinds):
            self.kinds[kind] = _has_attributes(kind)
        spaces = self._dicts(piece)
        spaces = list(self.compress(spaces, map(NAMES.__ge__, map(len, spaces))))
        owners = list(self.compress(piece, map(self.kinds.__getitem__, map(type, piece))))
        told = self.referents(*spaces, *owners)
        dicts = self._dicts(told)
        for item in self.compress(dicts, map(self.least.__lt__, map(len, dicts))):
            if not self.tracked(item):
                self.found[id(item)] = item
        self.spent += self.cpu() - begun
        self.cut = self.spent > SECONDS

    def _dicts(self, objects: list[Any]) -> list[Any]:
        return list(self.compress(objects, map(DICT.__contains__, map(type, objects))))


def _has_attributes(kind: type) -> bool:
    """Whether its instances are objects with attributes, and no containers of who knows how many items."""
    return bool(_flags_of(kind) & HEAP_TYPE) and not LONG.intersection(_ancestors_of(kind))
