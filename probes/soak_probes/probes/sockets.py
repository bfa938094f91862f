"""Sockets."""

from __future__ import annotations

from soak_probes.probes.base import Probe, Values
from soak_probes.view import View


class Sockets(Probe):
    """How many sockets a process has open, Unix ones too; one behind two descriptors counts once."""

    name = "sockets"
    unit = "count"

    def sample(self, view: View) -> Values | None:
        """Distinct socket inodes in the table of descriptors, less the agent's."""
        table = view.fd_table()
        return None if table is None else {self.name: len(table.sockets)}
