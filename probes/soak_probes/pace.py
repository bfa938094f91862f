"""Keeps expensive readings within a share of one core."""

from __future__ import annotations


class Pace:
    """Says when a reading is due again, so that its cost stays below `share` of the time that passes.

    A reading that took `cost` seconds is due again `cost / share` seconds later: 2 ms at a share of 0.002 means once a
    second. It is also due when it was `force`d (in the trough, where it is needed) and never more than `longest` apart.
    """

    def __init__(self, share: float, longest: float = 60.0) -> None:
        """`share` of one core (0.002 = 0.2 %), `longest` seconds between two readings."""
        self._share = share
        self._longest = longest
        self._next = float("-inf")

    def due(self, now: float, force: bool = False) -> bool:
        """Whether to read at `now` (seconds, any monotonic axis)."""
        return force or now >= self._next

    def spent(self, now: float, cost: float) -> None:
        """A reading was made at `now` and took `cost` seconds."""
        self._next = now + min(cost / self._share, self._longest)
