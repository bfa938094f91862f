"""Number of temporary files."""

from __future__ import annotations

from collections.abc import Sequence

from soak_probes.probes.base import Probe, Values
from soak_probes.tmpfiles import all_tmp_files, tmp_files_of
from soak_probes.view import View


class TmpFiles(Probe):
    """Temporary files that are the target's beyond doubt (soak_probes.tmpfiles says which)."""

    name = "tmp_files"
    unit = "count"

    def sample(self, view: View) -> Values | None:
        """How many this process holds or left."""
        files = tmp_files_of(view)
        return None if files is None else {self.name: len(files)}

    def total(self, parts: Sequence[Values], views: Sequence[View]) -> Values:
        """A file that two processes have open counts once."""
        return {self.name: len(all_tmp_files(views))}
