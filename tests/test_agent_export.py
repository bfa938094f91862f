"""`soak agent export` gives an agent that works without soak."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from soak import cli
from soak.commands.agent import write_wheel

_PROGRAM = """
import sys, os
sys.path.insert(0, {folder!r})
import soak_agent
print(soak_agent.start({sockets!r}), soak_agent.__file__, os.listdir({sockets!r}), sep="|")
"""


def test_the_exported_agent_starts_without_soak(tmp_path: Path) -> None:
    """An interpreter without any site-packages loads it from the folder, and it listens."""
    folder, sockets = tmp_path / "vendor", tmp_path / "sockets"
    assert CliRunner().invoke(cli.cli, ["agent", "export", str(folder)]).exit_code == 0
    program = _PROGRAM.format(folder=str(folder), sockets=str(sockets))
    run = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, timeout=30)
    started, file, listening = run.stdout.strip().split("|")
    assert (started, Path(file).parent) == ("True", folder / "soak_agent"), run.stderr
    assert ".sock" in listening


def test_the_exported_agent_enters_by_environment_alone(tmp_path: Path) -> None:
    """The two variables that the README names put it into an untouched program."""
    folder, sockets = tmp_path / "vendor", tmp_path / "sockets"
    CliRunner().invoke(cli.cli, ["agent", "export", str(folder)])
    readme = (folder / "README.txt").read_text()
    assert f"PYTHONPATH={folder}/soak_agent/bootstrap" in readme
    environ = {"PYTHONPATH": f"{folder}/soak_agent/bootstrap", "SOAK_AGENT_DIR": str(sockets)}
    program = f"import os; print(os.listdir({str(sockets)!r}))"
    run = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, timeout=30)
    assert ".sock" in run.stdout, run.stderr


def test_the_wheel_installs_and_its_agent_starts(tmp_path: Path) -> None:
    """pip takes the wheel without an index, checks its record, and the installed agent listens."""
    assert CliRunner().invoke(cli.cli, ["agent", "export", "--wheel", str(tmp_path / "dist")]).exit_code == 0
    (wheel,) = (tmp_path / "dist").iterdir()
    place, sockets = tmp_path / "site", tmp_path / "sockets"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-index",
        "--no-compile",
        "--target",
        str(place),
        str(wheel),
    ]
    done = subprocess.run(pip, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    program = _PROGRAM.format(folder=str(place), sockets=str(sockets))
    run = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, timeout=30)
    assert run.stdout.startswith("True|"), run.stderr
    assert not list(place.rglob("build.py"))


def test_the_same_agent_gives_the_same_wheel(tmp_path: Path) -> None:
    """Byte for byte, so that an image that holds it does not change without need."""
    one, other = write_wheel(tmp_path / "one"), write_wheel(tmp_path / "other")
    assert one.read_bytes() == other.read_bytes()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A folder with something in it is refused and stays as it is; an empty one will do."""
    (tmp_path / "mine").write_text("x")
    result = CliRunner().invoke(cli.cli, ["agent", "export", str(tmp_path)])
    assert result.exception is not None and "nothing is overwritten" in str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
