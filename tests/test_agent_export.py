"""`soak agent export` gives an agent that works without soak."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from soak import cli
from soak.commands.agent import write_wheel
from tests.agent.conftest import find_python
from tests.common import PATIENCE_S, free_port, wait_until
from tests.e2e.soaking import GUEST, soak, write_config

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
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, timeout=4 * PATIENCE_S
    )
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
    run = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, timeout=4 * PATIENCE_S
    )
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
        "--isolated",
        "install",
        "-q",
        "--no-index",
        "--no-compile",
        "--target",
        str(place),
        str(wheel),
    ]
    done = subprocess.run(pip, capture_output=True, text=True, timeout=4 * PATIENCE_S)
    assert done.returncode == 0, done.stderr
    program = _PROGRAM.format(folder=str(place), sockets=str(sockets))
    run = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, timeout=4 * PATIENCE_S
    )
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


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("version", ["3.9", "3.10", "3.11", "3.12", "3.13", "3.14"])
def test_the_wheel_serves_a_soak_in_every_python(version: str, tmp_path: Path) -> None:
    """In an environment of that Python with nothing else in it: the target starts its agent, and soak reads it."""
    python = find_python(version)
    if python is None:
        pytest.skip(f"no Python {version} on this machine")
    wheel = write_wheel(tmp_path / "dist")
    subprocess.run([python, "-m", "venv", str(tmp_path / "venv")], check=True)
    subprocess.run([tmp_path / "venv/bin/pip", "install", "-q", "--no-index", str(wheel)], check=True)
    listed = [tmp_path / "venv/bin/pip", "list", "--format=freeze"]
    names = {line.partition("==")[0] for line in subprocess.check_output(listed, text=True).splitlines()}
    assert names - {"pip", "setuptools"} == {"soak-agent"}
    code = f"import runpy, soak_agent\nassert soak_agent.start()\nrunpy.run_path({str(GUEST)!r}, run_name='__main__')"
    (tmp_path / "app.py").write_text(code)
    port = free_port()
    path = write_config(
        tmp_path, target={"url": f"http://127.0.0.1:{port}"}, load={"cycle": "4s", "cycles": 5, "quiet": "1500ms"}
    )
    kept = [line for line in path.read_text().splitlines() if not line.startswith(("command", "env"))]
    path.write_text("\n".join(kept).replace("[target]", f"[target]\nport = {port}") + "\n")
    env = {"PORT": str(port), "LEAK": "20000", "SOAK_AGENT_DIR": str(tmp_path / "agents")}
    target = subprocess.Popen([tmp_path / "venv/bin/python", "app.py"], cwd=tmp_path, env=env)
    try:
        wait_until(lambda: list((tmp_path / "agents").glob("*.sock")))
        done = soak(tmp_path, "run", "--json", "report.json")
    finally:
        target.kill()
        target.wait()
    assert done.report is not None and done.code == 1, done.err
    assert done.report["run"]["target"]["python"].startswith(f"{version}.")
    assert done.report["observer"]["heap"] == "sampler", done.err
    growth = next(finding for finding in done.report["findings"] if finding["kind"] == "growth")
    assert growth["sites"][0]["function"] == "remember"
