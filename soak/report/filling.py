"""A cache with a bound that is still filling: growth that has an end, to be read in the process and not in a curve.

The agents say of containers that grew how many items they hold and how many fit in (`maxsize` of a cache, `maxlen` of a
deque, `maxsize`, `capacity` ... of the object around a dict). Where such containers account for the growth and are half
full at least, the growth seen so far is no smaller than all that is to come: that is not decided, and it is said when
it will be. A container that merely has a bound, beside something else that grows, leaves a leak a leak.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from soak.report.inputs import RunData
from soak.report.objects import UNKNOWN, grown_containers
from soak.report.units import amount, plural, short

WARNING = "filling"
ACCOUNTS = 0.6  # of the growth must be the new items of containers with a bound, by what they were seen to weigh
REST = 0.25  # of the growth, or the limit, that they may leave open: slots of tables, and what was not weighed
# Bytes that a container spends on an item beside the item, at least; a list or a deque has a pointer.
SLOTS = {"dict": 40, "collections.defaultdict": 40, "collections.OrderedDict": 100, "functools._lru_cache_wrapper": 110}
POINTER = 8
BESIDE = 0.25  # of their weight that other containers may have grown by: more may hold the same items, for ever


@dataclass(frozen=True)
class Container:
    """One container of all processes together; bytes are of its new items in a cycle."""

    path: tuple[str, ...]
    length: int
    bound: int | None
    per_cycle: float  # items
    weight: float  # bytes in a cycle

    @property
    def left(self) -> int:
        """Items until it is full."""
        return max(0, (self.bound or 0) - self.length)

    @property
    def ends(self) -> bool:
        """Whether it is half full at least: what is to come is no more than what has come."""
        return self.bound is not None and self.left <= self.length


@dataclass(frozen=True)
class Filling:
    """What is full last, and by how many bytes memory will grow until then."""

    container: Container
    left_bytes: float
    near: bool

    @property
    def cycles(self) -> int:
        """Cycles until it is full."""
        return math.ceil(self.container.left / self.container.per_cycle)

    def sentence(self) -> str:
        """`module app -> … page holds 8,300 of 10,000 entries: it is full in 2 cycles, at +2.5 MB`."""
        one = self.container
        text = f"{' -> '.join(one.path)} holds {short(one.length)} of {short(one.bound or 0)} entries: "
        if not one.left:
            return f"{text}it is full now, and whether growth ends with that is not decided."
        text += f"it is full in {plural(self.cycles, 'cycle')}, at +{amount(self.left_bytes, 'bytes')}"
        return f"{text}; whether growth ends then is not decided." if self.near else f"{text}, at this rate."


def filling(data: RunData, growth: float, limit: float, room: float) -> Filling | None:
    """The bounded containers that account for `growth` bytes per hour; None where none do.

    limit: bytes per hour; room: bytes until memory itself runs out (math.inf where nobody said). It is `near` where all
    that account for the growth are half full at least, and what is left fits into the room.
    """
    cycle_hours = data.cycle_seconds / 3600.0
    per_cycle, allowed = growth * cycle_hours, limit * cycle_hours
    containers = _containers(data)
    for near in (True, False):
        chosen = [one for one in containers if one.bound is not None and (one.ends or not near)]
        if chosen and _account(chosen, containers, per_cycle, allowed):
            weight = sum(one.weight for one in chosen)
            left = per_cycle * sum(one.left / one.per_cycle * one.weight for one in chosen) / weight
            telling = [one for one in chosen if one.weight >= BESIDE * weight]
            return Filling(max(telling, key=lambda one: one.left / one.per_cycle), left, near and left <= room)
    return None


def _account(chosen: list[Container], containers: list[Container], per_cycle: float, allowed: float) -> bool:
    """Whether the growth of a cycle is that of the chosen containers, and no others hold as much."""
    weight = sum(one.weight for one in chosen)
    others = sum(one.weight for one in containers) - weight
    rest = max(allowed, REST * per_cycle)
    return weight >= ACCOUNTS * per_cycle > 0 and per_cycle - weight <= rest and others <= BESIDE * weight


def _containers(data: RunData) -> list[Container]:
    """What grew, the same container of several processes as one; it has a bound where all of them have one.

    One that has come since counts as without: of a deque per user there may be ever more.
    """
    cycles = max(1, data.complete - 2)  # between the second trough and the last
    rows: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in grown_containers(data):
        rows.setdefault(tuple(str(step) for step in row["path"]), []).append(row)
    return [_together(path, found, cycles) for path, found in rows.items()]


def _together(path: tuple[str, ...], rows: Sequence[Mapping[str, Any]], cycles: int) -> Container:
    bounds = [row.get("bound") if row.get("watched") else None for row in rows]
    return Container(
        path,
        sum(int(row.get("length") or 0) for row in rows),
        sum(bound for bound in bounds if bound) if all(bounds) else None,
        sum(row["growth"] for row in rows) / cycles,
        sum(row["growth"] * _size(row) for row in rows) / cycles,
    )


def _size(row: Mapping[str, Any]) -> float:
    holds = row.get("holds")
    slot = SLOTS.get(str(row.get("type")), POINTER)
    return sum(float(one["bytes"]) for one in holds) + slot if holds else UNKNOWN
