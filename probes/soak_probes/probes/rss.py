"""Resident memory."""

from __future__ import annotations

from soak_probes.parse import parse_statm_rss
from soak_probes.probes.base import Probe, Values
from soak_probes.reading import ProcessGone
from soak_probes.view import PAGE_SIZE, View


class Rss(Probe):
    """Bytes in memory, shared pages counted in every process that maps them (statm: 2 us)."""

    name = "rss"
    unit = "bytes"

    def sample(self, view: View) -> Values:
        """Resident pages of /proc/PID/statm; none at all has only a process that is ending."""
        pages = parse_statm_rss(view.process.files.pread("statm"))
        if pages == 0:
            raise ProcessGone("statm")
        return {self.name: pages * PAGE_SIZE}
