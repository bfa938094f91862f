"""Memory that was swapped out."""

from __future__ import annotations

from soak_probes.probes.base import Probe, Values
from soak_probes.view import View


class Swap(Probe):
    """Bytes in swap, shared ones divided: what a leak looks like when rss stands still because the machine is full."""

    name = "swap"
    unit = "bytes"

    def sample(self, view: View) -> Values | None:
        """From /proc/PID/smaps_rollup, when due."""
        rollup = view.rollup()
        return None if rollup is None else {self.name: rollup.swap}
