"""Memory with shared pages divided."""

from __future__ import annotations

from soak_probes.probes.base import Probe, Values
from soak_probes.view import View


class Pss(Probe):
    """Bytes with each shared page divided among those that map it: the total to judge when processes share pages."""

    name = "pss"
    unit = "bytes"

    def sample(self, view: View) -> Values | None:
        """From /proc/PID/smaps_rollup, when due."""
        rollup = view.rollup()
        return None if rollup is None else {self.name: rollup.pss}
