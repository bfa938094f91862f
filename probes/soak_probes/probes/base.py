"""What a probe is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import ClassVar

from soak_probes.reading import Unit
from soak_probes.view import View

Values = Mapping[str, float]


class Probe(ABC):
    """Reads one series (and the parts that explain it) of one process."""

    name: ClassVar[str]
    """The series, as the contract names it; parts are `name.part`."""
    unit: ClassVar[Unit]
    parts_only: ClassVar[bool] = False
    """Gives parts of a series that another probe counts: where it is refused, that one says so."""

    needs_leader: ClassVar[bool] = True
    """Reads what the kernel shows only while the main thread lives."""

    @abstractmethod
    def sample(self, view: View) -> Values | None:
        """series -> value now; None when it is not due. Refused says why it cannot be had; ProcessGone: it ended."""

    def total(self, parts: Sequence[Values], views: Sequence[View]) -> Values:
        """The whole tree's values from those of its living processes: their sum."""
        if len(parts) == 1:  # most targets are one process, and a Counter costs more than the reading
            return parts[0]
        added: Counter[str] = Counter()
        for part in parts:
            added.update(part)
        return added
