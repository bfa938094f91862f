"""Stitching workers that are recycled (gunicorn's max_requests) into one series each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Key = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Recycled:
    """A worker was replaced after `lived` seconds. Recycling hides growth: a leak ends with each worker."""

    old_pid: int
    new_pid: int
    lived: float


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a worker stands: `name` is the pid of the first one there, `began` when the present one came."""

    name: int
    parent: int
    began: float


class WorkerSlots:
    """Gives every worker a place that its successor takes over.

    The place is named by the pid of the first worker that held it, so that a stitched series has one name for good.
    A worker that ended leaves its place free; the next new worker of the same parent takes the place that was freed
    first. A worker that comes while no place is free opens one: scaling up is not recycling.
    """

    def __init__(self) -> None:
        """No places yet."""
        self._held: dict[Key, _Place] = {}
        self._free: list[tuple[Key, _Place, float]] = []
        self._recycled: list[Recycled] = []

    def update(self, workers: Mapping[Key, int], now: float) -> None:
        """`workers` is (pid, start time) -> parent's pid of all living workers; `now` in monotonic seconds."""
        for key in [key for key in self._held if key not in workers]:
            place = self._held.pop(key)
            self._free.append((key, place, now - place.began))
        for key in sorted(workers.keys() - self._held.keys(), key=lambda new: new[1]):
            self._held[key] = self._settle(key, workers[key], now)

    def place(self, key: Key) -> int | None:
        """The pid that names the place of a worker; None for what is no worker."""
        place = self._held.get(key)
        return None if place is None else place.name

    def take_recycled(self) -> list[Recycled]:
        """What was replaced since the last call, oldest first."""
        taken, self._recycled = self._recycled, []
        return taken

    def _settle(self, key: Key, parent: int, now: float) -> _Place:
        for index, (old, place, lived) in enumerate(self._free):
            if place.parent == parent:
                del self._free[index]
                self._recycled.append(Recycled(old[0], key[0], lived))
                return _Place(place.name, parent, now)
        return _Place(key[0], parent, now)
