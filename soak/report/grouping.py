"""Stacks put together into sites: by what a person would change, over stacks, processes and readings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from soak.analysis import walking_errors
from soak.report.inputs import Floats
from soak.report.owner import APPLICATION, STANDARD, Frame, Owners, called, is_agent


class Point(Protocol):
    """What a reading says about one stack."""

    @property
    def t(self) -> float:
        """Seconds since the run began."""

    @property
    def cycle(self) -> int:
        """Number of the cycle."""


@dataclass
class Group:
    """Stacks that are one site, summed over stacks and processes; one entry per reading."""

    values: Floats
    counts: Floats
    variance: Floats
    births: list[dict[int, float]]
    stacks: dict[tuple[Frame, ...], Floats] = field(default_factory=dict)
    partial: bool = False
    details: dict[str, int] = field(default_factory=dict)

    def errors(self) -> Floats:
        """The error of a sampled site, one per reading."""
        return walking_errors(self.variance)

    def heaviest(self) -> tuple[Frame, ...]:
        """The stack that grew most."""
        return max(self.stacks, key=lambda stack: self.stacks[stack][-1] - self.stacks[stack][0])


class Grouping:
    """Groups of stacks over the readings of a run."""

    def __init__(self, owners: Owners, readings: list[tuple[int, float]]) -> None:
        self.owners = owners
        self.times = np.array([t for _, t in readings], dtype=np.float64)
        self.places = {cycle: place for place, (cycle, _) in enumerate(readings)}
        self.groups: dict[object, Group] = {}

    def place(self, point: Point) -> int | None:
        """The reading that `point` belongs to."""
        return self.places.get(point.cycle)

    def group(self, stack: Sequence[Frame]) -> Group | None:
        """The site of a stack; None for the agent's own.

        An allocation inside the standard library belongs to whoever called it: json's decoder is nobody's leak. In
        the application every line is a site; in a dependency a function is one, for nobody changes its lines. What an
        event loop does by itself, such as to take a connection, is one site.
        """
        if not stack or is_agent(stack[-1]):
            return None
        frame, owner = stack[-1], self.owners.of(stack[-1][0])
        if owner == STANDARD:
            inner = called(stack)
            alone = inner[0] if inner and len(inner) < len(stack) else frame
            frame, owner = self.owners.likely(list(stack)) or (alone, owner)
        key = frame if owner == APPLICATION else (frame[0], frame[2])
        if key not in self.groups:
            size = self.times.size
            self.groups[key] = Group(np.zeros(size), np.zeros(size), np.zeros(size), [{} for _ in range(size)])
        return self.groups[key]

    def add(self, group: Group, stack: Sequence[Frame], at: int, value: float, count: float) -> None:
        """Add what one process held at one reading."""
        group.values[at] += value
        group.counts[at] += count
        by_stack = group.stacks.setdefault(tuple(stack), np.zeros(self.times.size))
        by_stack[at] += value
