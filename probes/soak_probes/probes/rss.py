"""Resident memory."""

from __future__ import annotations

from soak_probes.parse import parse_statm_rss
from soak_probes.probes.base import Probe, Values
from soak_probes.view import PAGE_SIZE, View


class Rss(Probe):
    """Bytes in memory, shared pages counted in every process that maps them (statm: 2 us)."""

    name = "rss"
    unit = "bytes"

    def sample(self, view: View) -> Values:
        """Resident pages of /proc/PID/statm."""
        return {self.name: parse_statm_rss(view.process.files.pread("statm")) * PAGE_SIZE}
