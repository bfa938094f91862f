"""Threads."""

from __future__ import annotations

from soak_probes.probes.base import Probe, Values
from soak_probes.view import View


class Threads(Probe):
    """Kernel threads of the process, less the agent's."""

    name = "threads"
    unit = "count"
    needs_leader = False

    def sample(self, view: View) -> Values:
        """From the stat that the tree has just read."""
        return {self.name: max(0, view.process.stat.threads - view.excluded.threads)}
