"""Lines of source for tracebacks, read from files as they are now; small, plain files only."""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from pathlib import Path

MOST_BYTES = 2_000_000  # a generated module may be huge; a report shows a dozen lines
MOST_CHARS = 160


@dataclass
class CodeLines:
    """Reads lines; relative paths are looked up below `cwd`. A file that cannot be read has no lines."""

    cwd: str | None = None
    _files: dict[str, list[str]] = field(default_factory=dict)

    def line(self, file: str, number: int) -> str | None:
        """The stripped line, cut to a readable length; None where there is none."""
        lines = self._lines(file)
        text = lines[number - 1].strip() if 0 < number <= len(lines) else ""
        return text[:MOST_CHARS] or None

    def _lines(self, file: str) -> list[str]:
        if file not in self._files:
            self._files[file] = self._read(Path(self.cwd or ".") / file) if file.endswith(".py") else []
        return self._files[file]

    def _read(self, path: Path) -> list[str]:
        try:
            info = path.stat()
            # A path comes from the target: a pipe would block, a device would never end.
            if not stat.S_ISREG(info.st_mode) or info.st_size > MOST_BYTES:
                return []
            return path.read_text(encoding="utf-8", errors="replace").splitlines()
        except (OSError, ValueError):
            return []
