"""Where the files of a run lie."""

from __future__ import annotations

import os
from pathlib import Path

SQLITE = "sqlite:///"


def run_folder(store_url: str, run_id: int) -> Path:
    """The folder of a run's log files: beside an SQLite store, else below the state or the working folder."""
    if store_url.startswith(SQLITE):
        store = Path(store_url.removeprefix(SQLITE))
        return store.parent / f"{store.stem}-runs" / str(run_id)
    state = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(state or Path.cwd()) / "soak-runs" / str(run_id)


def private_folder(path: Path) -> None:
    """Make `path` and the folders above it that are missing, for this user only; `mkdir` gives parents 0755."""
    for folder in (*reversed(path.parents), path):
        if not folder.exists():
            folder.mkdir(mode=0o700, exist_ok=True)


def private_file(path: Path) -> Path:
    """Make an empty file that only this user may read, if there is none; returns `path`."""
    path.touch(mode=0o600, exist_ok=True)
    return path
