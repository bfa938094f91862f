"""Processor time."""

from __future__ import annotations

import os

from soak_probes.probes.base import Probe, Values
from soak_probes.view import View

_TICKS = os.sysconf("SC_CLK_TCK")


class Cpu(Probe):
    """Share of one core since the sample before, user and system (a tick is 10 ms: short intervals are coarse)."""

    name = "cpu"
    unit = "ratio"
    needs_leader = False

    def sample(self, view: View) -> Values | None:
        """The difference of two readings of stat; None at the first sample of the tree."""
        ticks = view.process.stat.cpu_ticks
        previous = view.moment.previous
        before = view.process.memory.setdefault("cpu", ticks) if previous is None else view.process.memory.get("cpu")
        if previous is None or view.moment.now <= previous[0]:
            return None
        view.process.memory["cpu"] = ticks
        if not isinstance(before, int):
            # New in the tree: all it used is of this interval, unless it is older and was only found now.
            before = 0 if view.process.start_time / _TICKS >= previous[1] - 1 / _TICKS else ticks
        return {self.name: (ticks - before) / _TICKS / (view.moment.now - previous[0])}
