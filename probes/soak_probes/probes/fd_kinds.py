"""Open descriptors by kind."""

from __future__ import annotations

from soak_probes.probes.base import Probe, Values
from soak_probes.view import View


class FdKinds(Probe):
    """Descriptors by what they are: file, socket, pipe, pty, eventpoll, … (a readlink each, when they moved)."""

    name = "fds"
    unit = "count"
    parts_only = True

    def sample(self, view: View) -> Values | None:
        """fds.<kind> from the table of descriptors."""
        table = view.fd_table()
        return None if table is None else {f"{self.name}.{kind}": count for kind, count in table.kinds.items()}
