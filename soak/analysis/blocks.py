"""Very many cycles, judged in blocks: what a line costs grows with the fourth power of its floors.

A night has a dozen cycles, a month of them 720. From some number on a few neighbouring cycles are taken together, as if
they were one longer cycle: the blocks end with the latest cycle, and what is too little for a block at the beginning is
part of the warm-up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from soak.analysis.floors import CycleFloor, Floors
from soak.analysis.results import Kind
from soak.analysis.thresholds import THRESHOLDS as T


@dataclass(frozen=True, slots=True)
class Blocks:
    """`floors` of blocks of `size` cycles each, numbered from 0; the first one begins with cycle number `first`."""

    floors: Floors
    size: int
    first: int


def size_for(cycles: int) -> int:
    """How many cycles make a block, where there are so many of them."""
    return max(1, math.ceil(cycles / T.most_cycles))


def in_blocks(floors: Floors, kind: Kind) -> Blocks:
    """Neighbouring cycles together."""
    size = size_for(len(floors.cycles))
    first = (floors.cycles[-1].cycle + 1) % size
    members: dict[int, list[CycleFloor]] = {}
    for floor in floors.cycles:
        if floor.cycle >= first:
            members.setdefault((floor.cycle - first) // size, []).append(floor)
    return Blocks(
        Floors(tuple(_block(n, group, kind, size) for n, group in members.items()), floors.sparse), size, first
    )


def _block(number: int, members: Sequence[CycleFloor], kind: Kind, size: int) -> CycleFloor:
    """One floor of several: bytes are averaged, of a count, which has to stay one, the latest is taken.

    What comes after a restart is of the next segment, and this block is of the one that it begins in. The error becomes
    smaller as that of a mean does; one that walks along with the readings shares less of it with fewer readings.
    """
    restart = next((place for place, one in enumerate(members) if one.why == "restarted"), len(members))
    usable = [one for one in members[:restart] if one.usable]
    if not usable:
        why = next(one.why for one in members if one.why)
        return CycleFloor(number, members[-1].value, members[-1].halves, members[-1].error, 0, False, why)
    value = usable[-1].value if kind == "count" else float(np.mean([one.value for one in usable]))
    error = math.sqrt(sum(one.error**2 for one in usable) / len(usable) / size)
    return CycleFloor(number, value, (value, value), error, sum(one.samples for one in usable), True, "")
