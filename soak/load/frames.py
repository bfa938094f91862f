"""What goes between parent and worker: one order, then deltas; eight bytes of length, then a pickle."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import dataclass

from soak.load.plan import LoadPlan
from soak.load.tally import LoadDelta

LENGTH = 8
MAX_FRAME = 64 * 1024 * 1024  # far beyond what scenarios and histogram buckets can add up to


@dataclass(frozen=True, slots=True)
class Order:
    """What the parent sends: the plan, CLOCK_MONOTONIC of t = 0, and which share of the load is ours from when on."""

    plan: LoadPlan
    zero: float
    worker: int
    since: float


def pack(deltas: list[LoadDelta]) -> bytes:
    """One frame."""
    data = pickle.dumps(deltas, protocol=pickle.HIGHEST_PROTOCOL)
    return len(data).to_bytes(LENGTH, "little") + data


class Unpacker:
    """Collects bytes and gives back whole frames."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[list[LoadDelta]]:
        """The frames that are complete with `data`; ValueError when this is no stream of frames."""
        self._data += data
        while len(self._data) >= LENGTH:
            length = int.from_bytes(self._data[:LENGTH], "little")
            if length > MAX_FRAME:
                raise ValueError(f"a frame of {length} bytes")
            if len(self._data) < LENGTH + length:
                return
            frame = bytes(self._data[LENGTH : LENGTH + length])
            del self._data[: LENGTH + length]
            yield pickle.loads(frame)  # noqa: S301  # written by a worker that we started, on a pipe nobody else has
