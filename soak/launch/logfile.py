"""The log file that takes a launched target's output."""

from __future__ import annotations

import os
from pathlib import Path

LIMIT = 64 << 20  # bytes; a target that prints 1 KB a request at 50/s writes 4 GB a night
KEEP = 4 << 20
_TAIL = 1 << 16


class TargetLog:
    """A file that the target appends to, bounded from outside.

    The target holds it open with O_APPEND: cut to nothing, it goes on at the new end. What stood at the end is kept
    in `<name>.1` beside it. Reading a pipe instead would make the target wait for soak.
    """

    def __init__(self, path: Path, limit: int = LIMIT, keep: int = KEEP) -> None:
        """Bytes: at more than `limit` the last `keep` are moved away."""
        self.path = path
        self._limit = limit
        self._keep = keep
        self._began = 0

    def begin(self) -> None:
        """Before a start: make the folder (0700) and the file (0600), or go on with those that are there."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600))
        self._began = self.path.stat().st_size

    def bound(self) -> bool:
        """Cut the file if it has grown too long; whether it was cut. Lines written in that instant may be lost."""
        try:
            size = self.path.stat().st_size
        except OSError:
            return False
        if size <= self._limit:
            return False
        kept = os.open(self.path.with_name(self.path.name + ".1"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(kept, "wb") as target, self.path.open("r+b") as source:
            source.seek(size - self._keep)
            target.write(source.read())
            source.truncate(0)
        self._began = 0
        return True

    def tail(self, lines: int = 12) -> str:
        """The last lines since the last start, indented for a message; says so when there are none."""
        try:
            with self.path.open("rb") as file:
                file.seek(max(self._began, self.path.stat().st_size - _TAIL))
                text = file.read().decode(errors="replace")
        except OSError as error:
            return f"  (its log cannot be read: {error.strerror})"
        last = [line for line in text.splitlines() if line.strip()][-lines:]
        return "\n".join(f"  | {line[:300]}" for line in last) or "  (it printed nothing)"
