"""What the daemon tidies beside the store."""

from __future__ import annotations

import os
from pathlib import Path

from soak.housekeeping import Housekeeping
from soak.places import run_folder
from soak_storage import open_store
from soak_storage.records import RunStart
from soak_storage.retention import Owner

DAY = 86400.0
NOW = 1_767_225_600.0


def test_the_old_logs_of_a_run_that_somebody_else_deleted_go(tmp_path: Path) -> None:
    """`soak db prune` on another machine deletes rows of one Postgres and no files of this one; what is there stays."""
    url = f"sqlite:///{tmp_path}/soak.db"
    with open_store(url, environ={}) as store:
        run = store.begin_run(RunStart("orders-api", "here", NOW, "0.1.0", 60.0, 9.0, 6, {}))
        old, young = run + 1, run + 2
        for one, age in ((run, 30), (old, 30), (young, 1)):
            folder = run_folder(url, one)
            folder.mkdir(parents=True)
            (folder / "target.log").write_text("hello\n")
            os.utime(folder, (NOW - age * DAY,) * 2)
        (run_folder(url, run).parent / "notes").mkdir()
        part = Housekeeping(store, url, 7 * DAY, Owner("here", "orders-api"), wall=lambda: NOW)
        part.initialize()
        part.loop(0.0)
        left = sorted(path.name for path in run_folder(url, run).parent.iterdir())
        assert left == sorted([str(run), str(young), "notes"])
