"""What the README says first, done by somebody who has nothing but a clone of this repository."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of the last commit, without anything that was built here."""
    folder = tmp_path_factory.mktemp("fresh") / "soak"
    done = subprocess.run(["git", "clone", "-q", ROOT, folder], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this is no git repository: {done.stderr[-200:]}")
    return folder


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """One line in a shell, with this interpreter as the python on the path and none of the settings of ours."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SOAK_", "VIRTUAL_ENV"))}
    done = subprocess.run(
        ["bash", "-euc", command], cwd=folder, env=kept, capture_output=True, text=True, timeout=1000, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_the_demo_sets_itself_up(clone: Path) -> None:
    """Both reports are printed, and both planted truths came out."""
    done = run("make demo", clone)
    assert "=== leaky target ===" in done.stdout and "=== clean target ===" in done.stdout
    assert done.stdout.rstrip().endswith("clean = clean")


def test_it_installs_and_works_elsewhere(clone: Path, tmp_path: Path) -> None:
    """Into an environment of its own; from another folder it finds its agent and its heap sampler."""
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    programs = tmp_path / "venv/bin"
    run(f"PATH={programs}:$PATH; pip install .", clone)
    (tmp_path / "my-service").mkdir()
    version = run(f"{programs}/soak --version", tmp_path / "my-service")
    assert version.stdout.startswith("soak ")
    (tmp_path / "my-service/soak.toml").write_text(
        '[target]\ncommand = ["python3", "x.py"]\n[load]\nprofile = "none"\n'
    )
    (tmp_path / "my-service/x.py").touch()
    doctor = run(f"PATH={programs}:$PATH; soak doctor", tmp_path / "my-service")
    assert "agent        loads into Python 3." in doctor.stdout
