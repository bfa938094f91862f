"""Which objects are garbage that only a full collection would find, told without holding the target up for one.

It is the sum that the collector does, in slices between which other threads have their turns: what has more references
than the objects of the collector account for is held from outside; that, and all it leads to, is alive, and the rest is
garbage. Nobody changes garbage any more, so it is found although the target runs meanwhile; of what lives something may
be taken for garbage, and a collection is done in vain. Objects are known by their address alone: no `==` and no `hash`
of the target is called. The counts are bytes, one for each 32 bytes of the memory in which there are objects.
"""

from __future__ import annotations

import sys

from .headroom import room_for
from .stdlib import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from .stretches import Stretches

SLICE = 2_000  # objects looked at in one go: 1 to 2 ms
EDGES = 10_000  # references followed in one go
MOST = 2_000_000  # objects: the list of more of them takes 50 ms by itself
LARGEST = 500_000  # items: what a larger container holds is not listed in one go
PATIENCE = 10.0  # s by the clock: in a target whose threads are busy each slice waits for its turn
BORROWED = 24  # bytes for each object, at most: 13 to 17 were seen, 9 of them for the list of all
TABLE = 16  # bits of a number within one table
GRAIN = 1  # bits of a number that do not tell objects apart: each of the collector's takes 40 bytes or more
PLACES = (1 << TABLE - GRAIN) - 1
FULL = 254  # references that a byte counts; further ones are counted beside it
UNREACHED = 255
# The number of any object: its address without the last four bits. `id` raises an audit event: four times as long.
number_of = object.__hash__


class GivenUp(Exception):
    """It would hold the target up, takes too long, or is to stop."""


class Tables(dict[int, bytearray]):
    """A byte for each grain of memory, in tables that are made when they are needed."""

    def __missing__(self, first: int) -> bytearray:
        """The table of the numbers that begin with `first`."""
        table = self[first] = bytearray(PLACES + 1)
        return table

    def at(self, number: int) -> int:
        """What stands there."""
        return self[number >> TABLE][number >> GRAIN & PLACES]


class Search:
    """Looks for garbage among all objects that the collector has.

    `stop` is asked between slices: a fork would leave the child with all the references we hold.
    """

    def __init__(self, stretches: Stretches, stop: Callable[[], bool]) -> None:
        self.stretches = stretches
        self.stop = stop
        gc, collections = load("gc"), load("_collections")
        self.referents, self.tracked = gc.get_referents, gc.is_tracked
        self.compress = load("itertools").compress
        sized = (dict, list, set, frozenset, tuple, collections.deque, collections.OrderedDict, collections.defaultdict)
        self.sized = frozenset(map(number_of, sized))
        self.tables = Tables()
        self.beyond: dict[int, int] = {}
        self.ends = 0.0

    def among(self, objects: list[Any]) -> int | None:
        """How many of `objects`, which are all there are, are garbage; None where that cannot be told. Uses them up.

        What was found is remembered for `lost`, until `forget`.
        """
        self.forget()
        if len(objects) > MOST or sys.maxsize < 1 << 32 or "t" in sys.abiflags or room_for(BORROWED * len(objects)):
            return None
        self.ends = self.stretches.clock() + PATIENCE
        known = _known(objects)
        try:
            self._count(objects)
            self._spread(self._held(objects))
            if self.tables.at(known) == UNREACHED and self.tables.at(number_of(self)) != UNREACHED:
                return sum(table.count(UNREACHED) for table in self.tables.values()) - 1
        except GivenUp:
            pass
        self.forget()  # the last: counted in a way we do not know
        return None

    def lost(self, objects: list[Any]) -> list[Any]:
        """Those of `objects` that `among` took for garbage, and what was made in their places since. Uses them up.

        None of them when it is to stop.
        """
        found: list[Any] = []
        try:
            self.stretches.slices("garbage", objects, lambda piece: self._pick(piece, found), SLICE)
        except GivenUp:
            objects.clear()
            found.clear()
        return found

    def forget(self) -> None:
        """Let go of what `among` remembers: half a byte to two for each object."""
        self.tables, self.beyond = Tables(), {}

    def _count(self, objects: list[Any]) -> None:
        """How often each is referred to by the others; begins with the newest, which may be unfinished."""
        for start in reversed(range(0, len(objects), SLICE)):
            objects[start : start + SLICE] = piece = self._finished(objects[start : start + SLICE])
            for found in self._references(piece):
                self.stretches.run("garbage", self._tally, found)

    def _finished(self, piece: list[Any]) -> list[Any]:
        """None for a tuple that has empty places: `tuple(generator)` fails where another holds it meanwhile."""
        held = self.referents
        for tuples in self._parts([item for item in piece if type(item) is tuple]):
            if len(held(*tuples)) < sum(map(len, tuples)):
                return [None if type(item) is tuple and len(held(item)) < len(item) else item for item in piece]
        return piece

    def _parts(self, piece: list[Any]) -> Iterator[list[Any]]:
        """Cut into pieces that refer to little enough; GivenUp where one object refers to too much."""
        kinds = map(number_of, map(type, piece))
        sizes = list(map(len, self.compress(piece, map(self.sized.__contains__, kinds))))
        if max(sizes, default=0) > LARGEST:
            raise GivenUp
        if sum(sizes) > EDGES and len(piece) > 1:
            half = len(piece) // 2
            yield from self._parts(piece[:half])
            yield from self._parts(piece[half:])
        else:
            yield piece

    def _references(self, piece: list[Any]) -> Iterator[list[Any]]:
        """What these refer to, some at a time, between which the others have their turn."""
        for part in self._parts(piece):
            self._go_on()
            found = self.stretches.run("garbage", self.referents, *part)
            while found:
                yield found[-EDGES:]
                del found[-EDGES:]
                self.stretches.breathe()

    def _go_on(self) -> None:
        if self.stop() or self.stretches.clock() > self.ends:
            raise GivenUp

    def _tally(self, found: list[Any]) -> None:
        tables, beyond = self.tables, self.beyond
        for number in map(number_of, filter(self.tracked, found)):
            table, place = tables[number >> TABLE], number >> GRAIN & PLACES
            seen = table[place]
            if seen < FULL:
                table[place] = seen + 1
            else:
                beyond[number] = beyond.get(number, 0) + 1

    def _held(self, objects: list[Any]) -> list[Any]:
        """Those that something else than an object holds; all others are UNREACHED. Empties `objects`."""
        ours: list[int] = []  # references to an object that only `slices` holds
        self.stretches.slices("garbage", [[]], lambda piece: ours.extend(map(sys.getrefcount, piece)), SLICE)
        held: list[Any] = []
        self.stretches.slices("garbage", objects, lambda piece: self._weigh(piece, ours[0], held), SLICE)
        return held

    def _weigh(self, piece: list[Any], ours: int, held: list[Any]) -> None:
        self._go_on()
        tables, beyond = self.tables, self.beyond
        references = list(map(sys.getrefcount, piece))
        for item, number, count in zip(piece, map(number_of, piece), references):
            table, place = tables[number >> TABLE], number >> GRAIN & PLACES
            seen = table[place]
            if count - ours > (seen if seen < FULL else seen + beyond.get(number, 0)):
                table[place] = 0
                held.append(item)
            else:
                table[place] = UNREACHED

    def _spread(self, alive: list[Any]) -> None:
        """Go on from these to all they lead to. Empties `alive`."""
        while alive:
            piece = alive[-SLICE:]
            del alive[-SLICE:]
            for found in self._references(piece):
                self.stretches.run("garbage", self._reach, found, alive)

    def _reach(self, found: list[Any], alive: list[Any]) -> None:
        tables = self.tables
        tracked = list(filter(self.tracked, found))
        for item, number in zip(tracked, map(number_of, tracked)):
            table, place = tables[number >> TABLE], number >> GRAIN & PLACES
            if table[place] == UNREACHED:
                table[place] = 0
                alive.append(item)

    def _pick(self, piece: list[Any], found: list[Any]) -> None:
        self._go_on()
        tables, held = self.tables, self.referents
        for item, number in zip(piece, map(number_of, piece)):
            table = tables.get(number >> TABLE)
            taken = table and table[number >> GRAIN & PLACES] == UNREACHED
            if taken and (type(item) is not tuple or len(held(item)) == len(item)):  # or it is being filled
                found.append(item)


def _known(objects: list[Any]) -> int:
    """The number of a piece of garbage, put among `objects`: it has to be found."""
    known: list[Any] = []
    known.append(known)
    objects.append(known)
    return number_of(known)
