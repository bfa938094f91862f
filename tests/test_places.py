"""The logs of a run: kept where something was written, gone with the run."""

from __future__ import annotations

from pathlib import Path

from soak.places import drop_empty, forget_run_folder, run_folder


def test_what_is_empty_is_not_kept(tmp_path: Path) -> None:
    """A quiet target and its load leave no folder; what was written stays, whoever else's files too."""
    quiet, loud = tmp_path / "1", tmp_path / "2"
    for folder in (quiet, loud):
        folder.mkdir()
        (folder / "load.log").touch()
        (folder / "target.log").touch()
    (loud / "target.log").write_text("hello\n")
    (loud / "notes.txt").touch()
    drop_empty(quiet)
    drop_empty(loud)
    drop_empty(tmp_path / "never")
    assert not quiet.exists() and sorted(file.name for file in loud.iterdir()) == ["notes.txt", "target.log"]


def test_the_folder_of_a_deleted_run_goes(tmp_path: Path) -> None:
    """Of that run, and no other."""
    url = f"sqlite:///{tmp_path}/soak.db"
    for run in (1, 2):
        run_folder(url, run).mkdir(parents=True)
        (run_folder(url, run) / "target.log").write_text("hello\n")
    forget_run_folder(url, 1)
    forget_run_folder(url, 7)
    assert not run_folder(url, 1).exists() and run_folder(url, 2).exists()
