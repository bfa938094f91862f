"""Fingerprints: the same leak has the same name every night, whatever line numbers, paths and amounts do."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from soak.report.owner import Frame

_MEMORY = {"rss", "uss", "pss", "python_heap"}
_INSTALLED = re.compile(r"^.*/(?:site|dist)-packages/")
_STDLIB = re.compile(r"^.*/lib(?:64)?/python\d+(?:\.\d+)?/")


def place(file: str, cwd: str | None) -> str:
    """A file as it is named wherever it is installed: below its packages folder, the standard library or `cwd`."""
    for root in (_INSTALLED, _STDLIB):
        if root.match(file):
            return root.sub("", file)
    inside = cwd is not None and file.startswith(cwd.rstrip("/") + "/")
    return file[len(cwd.rstrip("/")) + 1 :] if inside and cwd is not None else file


def family(series: str | None) -> str:
    """All memory series are one resource: which of them decided may differ from night to night."""
    return "memory" if series in _MEMORY else (series or "")


def fingerprint(kind: str, series: str | None, frames: Iterable[Frame] = (), cwd: str | None = None) -> str:
    """16 hex digits of kind, resource and the places in `frames`, without line numbers."""
    parts = [kind, family(series), *(f"{place(file, cwd)}:{function}" for file, _, function in frames)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
