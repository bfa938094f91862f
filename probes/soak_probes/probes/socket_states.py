"""Sockets by state."""

from __future__ import annotations

from collections import Counter

from soak_probes.probes.base import Probe, Values
from soak_probes.view import View


class SocketStates(Probe):
    """Sockets by TCP state; `udp` and `unix` have none, and `other` is what no table lists (unbound, netlink, …)."""

    name = "sockets"
    unit = "count"
    parts_only = True

    def sample(self, view: View) -> Values | None:
        """sockets.<state>: the inodes of this process looked up in the tables of its network namespace."""
        table = view.fd_table()
        if table is None:
            return None
        if not table.sockets:
            return {}
        states = view.socket_states()
        if states is None:
            return None
        return Counter(f"{self.name}.{states.get(inode, 'other')}" for inode in table.sockets)
