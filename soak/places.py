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
