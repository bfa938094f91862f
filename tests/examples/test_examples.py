"""Each example runs as it stands: clean without its leak, and with LEAK=1 called a leak at the right line."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from soak.config import load_config
from tests.common import free_port
from tests.docs.blocks import ROOT
from tests.e2e.soaking import Done, soak

EXAMPLES = ROOT / "examples"


@dataclass(frozen=True, slots=True)
class Truth:
    """What an example leaks with LEAK=1: the series, and the guilty place as far as one can be named."""

    series: tuple[str, ...]
    file: str | None = None
    function: str | None = None


TRUTHS = {
    "asyncio": Truth(("tasks",), "server.py", "expect_receipt"),
    "django": Truth(("threads",), "views.py", "schedule_reminder"),
    "fastapi": Truth(("python_heap", "rss"), "app.py", "quote"),
    "flask-gunicorn": Truth(("fds",), "app.py", "header"),
    "node": Truth(("fds",)),
}


def test_there_is_a_truth_for_each_example() -> None:
    """A new folder in examples/ needs its entry here."""
    assert sorted(TRUTHS) == sorted(path.parent.name for path in EXAMPLES.glob("*/soak.toml"))


@pytest.mark.parametrize("name", TRUTHS)
def test_an_example_is_whole(name: str) -> None:
    """Requirements, a configuration without a warning, and a README of five steps that names its switch."""
    folder = EXAMPLES / name
    assert (folder / ("package.json" if name == "node" else "requirements.txt")).exists()
    config = load_config(folder / "soak.toml", environ={})
    assert (config.target.name, config.target.ready) == (name, "/health")
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert len(re.findall(r"^\d\. ", readme, re.M)) == 5
    assert "LEAK=1 soak run" in readme


@pytest.fixture(scope="module", params=TRUTHS)
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example, installed as its README says, on a free port."""
    name = str(request.param)
    if name == "node" and shutil.which("npm") is None:
        pytest.skip("node and npm are not installed here")
    folder = tmp_path_factory.mktemp("examples") / name
    shutil.copytree(EXAMPLES / name, folder, ignore=shutil.ignore_patterns(".venv", "node_modules", "soak*db*"))
    for file in (path for path in folder.rglob("*") if path.suffix in (".toml", ".py", ".js")):
        text = file.read_text(encoding="utf-8")
        used = re.search(r"\b81\d\d\b", text)
        if used:
            file.write_text(text.replace(used[0], str(_port(folder))), encoding="utf-8")
    for command in _install(name):
        subprocess.run(command, cwd=folder, check=True, timeout=300, capture_output=True)
    return folder


def _port(folder: Path) -> int:
    """One free port for all files of the copy."""
    kept = folder.parent / "port"
    if not kept.exists():
        kept.write_text(str(free_port()))
    return int(kept.read_text())


def _install(name: str) -> list[list[str]]:
    if name == "node":
        return [["npm", "install", "--no-audit", "--no-fund"]]
    pip = [".venv/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    return [[sys.executable, "-m", "venv", ".venv"], [*pip, "-r", "requirements.txt"]]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_with_the_leak_it_is_found(installed: Path) -> None:
    """LEAK=1, five short cycles: exit 1, the right series, and the line where Python can name one."""
    done = _run(installed, "1", "--cycles", "5", "--cycle", "10s")
    truth = TRUTHS[installed.name]
    assert (done.code, done.report and done.report["verdict"]) == (1, "leak"), done.out + done.err
    assert done.report is not None
    found = [finding for finding in done.report["findings"] if finding["kind"] == "growth"]
    assert found[0]["series"] in truth.series
    if truth.file is not None:
        frames = [frame for site in found[0]["sites"][:1] for frame in (site, *site["traceback"])]
        assert any(_is(frame, truth) for frame in frames), done.out


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_without_the_leak_it_is_clean(installed: Path) -> None:
    """The cycles it comes with: nothing is accused, and the README's exit code is the one that comes."""
    done = _run(installed, "0")
    assert (done.code, done.report and done.report["verdict"]) == (0, "clean"), done.out + done.err


def _run(folder: Path, leak: str, *args: str) -> Done:
    (folder / "report.json").unlink(missing_ok=True)
    return soak(folder, "run", "--json", "report.json", *args, env={"LEAK": leak}, timeout=400)


def _is(frame: dict[str, object], truth: Truth) -> bool:
    return Path(str(frame["file"])).name == truth.file and str(frame["function"]).startswith(str(truth.function))
