"""Memory that only this process has."""

from __future__ import annotations

from soak_probes.probes.base import Probe, Values
from soak_probes.view import View


class Uss(Probe):
    """Private bytes: what would be given back if the process ended (smaps_rollup: milliseconds, paced)."""

    name = "uss"
    unit = "bytes"

    def sample(self, view: View) -> Values | None:
        """From /proc/PID/smaps_rollup, when due."""
        rollup = view.rollup()
        return None if rollup is None else {self.name: rollup.uss}
