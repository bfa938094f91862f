"""Open descriptors."""

from __future__ import annotations

from soak_probes.probes.base import Probe, Values
from soak_probes.reading import Refused
from soak_probes.view import View


class Fds(Probe):
    """How many descriptors are open, less the agent's."""

    name = "fds"
    unit = "count"

    def sample(self, view: View) -> Values:
        """The count costs 3 us at any number; the table says which of them are the agent's, where it may be read."""
        count = view.fd_count()
        if not view.excluded.fd_inodes:
            return {self.name: count}
        try:
            table = view.fd_table()
        except Refused:
            table = None
        return {self.name: count - len(view.excluded.fd_inodes) if table is None else sum(table.kinds.values())}
