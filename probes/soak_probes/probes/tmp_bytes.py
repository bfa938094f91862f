"""Size of temporary files."""

from __future__ import annotations

from collections.abc import Sequence

from soak_probes.probes.base import Probe, Values
from soak_probes.tmpfiles import all_tmp_files, tmp_files_of
from soak_probes.view import View


class TmpBytes(Probe):
    """Bytes on disk of the temporary files that are the target's beyond doubt."""

    name = "tmp_bytes"
    unit = "bytes"

    def sample(self, view: View) -> Values | None:
        """Allocated blocks, not lengths: a file with holes is not its length."""
        files = tmp_files_of(view)
        return None if files is None else {self.name: sum(file.allocated for file in files.values())}

    def total(self, parts: Sequence[Values], views: Sequence[View]) -> Values:
        """A file that two processes have open counts once."""
        return {self.name: sum(file.allocated for file in all_tmp_files(views).values())}
