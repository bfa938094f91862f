"""Runs a command of the documents in a shell, as somebody who has nothing but Python, make and a package index."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from tests.docs import stage

HERE = Path(sys.executable).parent
TRIES = 3
LONGEST_S = 3000.0  # for one command; the longest takes three minutes on a machine that has nothing else to do
# What pip and npm say when the index did not answer, or not well, after all of their own tries.
_NO_INDEX = re.compile(
    r"WARNING: Retrying \(Retry|HTTPSConnectionPool|ProtocolError|IncompleteRead|HTTP error 5\d\d"
    r"|npm (?:ERR!|error) code E"
)


def environment(*programs: Path, **more: str) -> dict[str, str]:
    """That of the tests without settings of ours and theirs, with these folders first on the path, and `more`."""
    ours = ("SOAK_", "VIRTUAL_ENV", "PYTEST_", "MAKE", "MFLAGS", "COV_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    path = ":".join([*map(str, programs), kept["PATH"]])
    return {"PIP_RETRIES": "8", "PIP_DEFAULT_TIMEOUT": "60", **kept, "PATH": path, "COLUMNS": "80", **more}


def run(command: str, folder: Path, *programs: Path, codes: tuple[int, ...] = (0,), **more: str) -> str:
    """One line in a shell, what it prints; once more when the package index did not answer, and skipped in the end."""
    for _ in range(TRIES):
        done = stage.run(command, folder, environment(*programs, **more), LONGEST_S)
        if done.code in codes or not _NO_INDEX.search(done.said):
            return done.require(*codes)
    pytest.skip(f"the package index does not answer: {done.said[-300:]}")
