"""Child processes."""

from __future__ import annotations

from collections.abc import Sequence

from soak_probes.probes.base import Probe, Values
from soak_probes.view import View


class Children(Probe):
    """Child processes, zombies included; the total is everything below the roots, orphans included."""

    name = "children"
    unit = "count"
    needs_leader = False

    def sample(self, view: View) -> Values:
        """Direct children that are in the tree."""
        return {self.name: view.process.children}

    def total(self, parts: Sequence[Values], views: Sequence[View]) -> Values:
        """All processes of the tree that are no root: a zombie has no view and an orphan no parent here."""
        tree = views[0].moment.tree
        return {self.name: sum(process.key not in tree.roots for process in tree.processes)}
