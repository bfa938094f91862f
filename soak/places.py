"""Where the files of a run lie."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

SQLITE = "sqlite:///"


def run_folder(store_url: str, run_id: int) -> Path:
    """The folder of a run's log files: beside an SQLite store, else below the state or the working folder."""
    if store_url.startswith(SQLITE):
        store = Path(store_url.removeprefix(SQLITE))
        return store.parent / f"{store.stem}-runs" / str(run_id)
    state = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(state or Path.cwd()) / "soak-runs" / str(run_id)


def forget_run_folder(store_url: str, run_id: int) -> None:
    """Remove the log files of a run that is not in the store any more."""
    shutil.rmtree(run_folder(store_url, run_id), ignore_errors=True)


def old_run_folders(store_url: str, before: float) -> set[int]:
    """The runs whose folders here were begun before a wall time."""
    folders = run_folder(store_url, 0).parent.glob("*")
    with suppress(OSError):  # somebody else tidies at this moment: the next look finds the rest
        return {int(path.name) for path in folders if path.name.isdecimal() and path.stat().st_mtime < before}
    return set()


def drop_empty(folder: Path) -> None:
    """Remove files of a run in which nothing was written, and its folder when none is left: a night has many runs."""
    with suppress(OSError):  # nobody needs them gone: a folder that may not be written is not the run's trouble
        for file in folder.glob("*.log"):
            if not file.stat().st_size:
                file.unlink()
        if not any(folder.iterdir()):
            folder.rmdir()


def private_folder(path: Path) -> None:
    """Make `path` and the folders above it that are missing, for this user only; `mkdir` gives parents 0755."""
    for folder in (*reversed(path.parents), path):
        if not folder.exists():
            folder.mkdir(mode=0o700, exist_ok=True)


def private_file(path: Path) -> Path:
    """Make an empty file that only this user may read, if there is none; returns `path`."""
    path.touch(mode=0o600, exist_ok=True)
    return path
