"""The folder of a project: its files, its interpreters, and the ways to start it that were found."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_SKIPPED = frozenset(
    {
        *("node_modules", "site-packages", "__pycache__", "venv", "env", "build", "dist"),
        *("tests", "test", "docs", "doc", "examples", "migrations", "static"),
    }
)
VIRTUAL_ENVIRONMENTS = (".venv", "venv", "env")
_MOST_FILES, _MOST_BYTES, _DEEPEST = 400, 500_000, 5
_FIND_MODULES = "import importlib.util, sys; sys.exit(any(importlib.util.find_spec(m) is None for m in sys.argv[1:]))"
_INTERPRETER_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to start the service, or to find it running."""

    what: str  # for people: "FastAPI application main:app under uvicorn"
    command: tuple[str, ...] = ()
    port: int | None = None
    paths: tuple[str, ...] = ()  # that are served and should answer a GET, best first
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = "."
    container: str | None = None
    notes: tuple[str, ...] = ()
    guesses: tuple[str, ...] = ("/",)  # asked too, and not missed when they answer 404
    closed: Mapping[str, str] = field(default_factory=dict)  # path -> what a request for it needs that is not known


def files(folder: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """Source files of the project itself, shallow ones first; bounded in number, size and depth."""
    found = 0
    level = [folder]
    for _ in range(_DEEPEST):
        below: list[Path] = []
        for place in level:
            for entry in _entries(place):
                if entry.is_dir():
                    if not _is_foreign(entry):
                        below.append(entry)
                elif entry.suffix in suffixes and entry.stat().st_size <= _MOST_BYTES:
                    found += 1
                    if found > _MOST_FILES:
                        return
                    yield entry
        level = below


def program(folder: Path, name: str) -> str:
    """`name`, or the program of that name in the project's own virtual environment, relative to `folder`."""
    places = (f"{place}/bin/{name}" for place in VIRTUAL_ENVIRONMENTS)
    return next((place for place in places if "/" not in name and os.access(folder / place, os.X_OK)), name)


def read_text(path: Path) -> str:
    """The text of a file, empty when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def interpreter(folder: Path, modules: Sequence[str]) -> str | None:
    """The Python that the project runs with: the first that has `modules`; None when no one has them."""
    places = [folder / name / "bin/python" for name in VIRTUAL_ENVIRONMENTS]
    if active := os.environ.get("VIRTUAL_ENV"):
        places.append(Path(active) / "bin/python")
    on_path = [found for name in ("python", "python3") if (found := shutil.which(name))]
    for place in dict.fromkeys([*map(str, places), *on_path, sys.executable]):
        if Path(place).exists() and _has(place, modules, folder):
            inside = Path(place).is_relative_to(folder)
            return str(Path(place).relative_to(folder)) if inside else place
    return None


def _has(python: str, modules: Sequence[str], folder: Path) -> bool:
    try:
        run = subprocess.run(
            [python, "-c", _FIND_MODULES, *modules],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_INTERPRETER_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return run.returncode == 0


def _entries(place: Path) -> list[Path]:
    try:
        return sorted(entry for entry in place.iterdir() if not entry.name.startswith(".") and not entry.is_symlink())
    except OSError:
        return []


def _is_foreign(folder: Path) -> bool:
    return folder.name in _SKIPPED or (folder / "pyvenv.cfg").exists()
