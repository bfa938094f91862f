"""Where agents listen, and what a killed soak leaves of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from soak.agentfolder import agent_folder_of, clear_agent_folders, make_agent_folder
from soak.leftovers import is_alive


def test_only_folders_of_a_soak_that_is_gone_are_removed(tmp_path: Path) -> None:
    """A folder is named after its soak: that of a living one stays, that of a killed one goes, others are not ours."""
    mine = make_agent_folder()
    try:
        own = tmp_path / mine.name
        gone, foreign = tmp_path / "soak-run-4194304-1-abc", tmp_path / "soak-run-of-somebody-else"
        for folder in (own, gone, foreign):
            folder.mkdir()
        assert clear_agent_folders(is_alive, tmp_path) == [gone]
        assert own.is_dir() and foreign.is_dir() and not gone.exists()
        assert mine.stat().st_mode & 0o777 == 0o700
    finally:
        mine.rmdir()


def test_two_soaks_that_begin_at_once_remove_a_folder_once(tmp_path: Path) -> None:
    """One is faster while the other looks: seen when soak soaked its own daemon, which ended with a traceback."""
    first, second = tmp_path / "soak-run-4194304-1-abc", tmp_path / "soak-run-4194304-2-def"

    def gone_meanwhile(_pid: int, _start: int) -> bool:
        for folder in tmp_path.iterdir():
            folder.rmdir()
        return False

    for folder in (first, second):
        folder.mkdir()
    assert len(clear_agent_folders(gone_meanwhile, tmp_path)) == 1


def test_the_folder_of_an_attached_target_is_the_one_its_environment_names(tmp_path: Path) -> None:
    """As soak_agent.start() chooses it: SOAK_AGENT_DIR, XDG_RUNTIME_DIR, the user's; soak's own comes first."""
    for env, expected in (
        ({"SOAK_AGENT_DIR": "/run/there", "XDG_RUNTIME_DIR": str(tmp_path)}, Path("/run/there")),
        ({"XDG_RUNTIME_DIR": str(tmp_path)}, tmp_path / "soak-agent"),
        ({}, Path(f"/tmp/soak-agent-{os.geteuid()}")),
    ):
        target = subprocess.Popen(
            [sys.executable, "-c", "input(1)"], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert target.stdout is not None
        try:
            target.stdout.read(1)  # it runs: an exec that is under way has no environment to read
            assert agent_folder_of(target.pid, {}) == expected
            assert agent_folder_of(target.pid, {"SOAK_AGENT_DIR": "/mine"}) == Path("/mine")
        finally:
            target.kill()
            target.communicate()
