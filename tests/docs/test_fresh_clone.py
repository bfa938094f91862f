"""What the README says first, done by somebody who has nothing but a clone of this repository and a package index."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from pathlib import Path

import pytest

from benchmarks.suites.running import has_tests
from soak.commands.demo import CYCLE_SECONDS, CYCLES
from tests.common import free_port
from tests.docs import stage
from tests.docs.blocks import ROOT, outside
from tests.docs.conftest import Timed
from tests.docs.shell import HERE, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a clone of this repository has: everything that git does not ignore, and nothing that was built here."""
    folder = tmp_path_factory.mktemp("fresh") / "soak"
    ignored = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text().splitlines() if line]
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".git", *ignored))
    return folder


def test_the_demo_sets_itself_up(clone: Path, timed: Timed) -> None:
    """Both reports are printed, and what it concludes. Busy machines may give other verdicts, and make ends with 2."""
    with timed("README.md", "make demo"):
        said = run("make demo", clone, codes=(0, 2))
    assert f"two soaks at once, {CYCLES} cycles of {CYCLE_SECONDS:g} s" in said
    assert "=== leaky target ===" in said and "=== clean target ===" in said
    assert len(re.findall(r"^(?:LEAK|FAILED|ERROR|INCONCLUSIVE|CLEAN)  demo-(?:leaky|clean): ", said, re.M)) == 2, said
    conclusion = next(line for line in reversed(said.splitlines()) if line.startswith("soak demo: "))
    other = "NOT what was planted" in conclusion and "Error 1" in said
    assert other or "both planted truths came out" in conclusion


def test_it_installs_and_works_elsewhere(clone: Path, tmp_path: Path, timed: Timed) -> None:
    """Into an environment of its own; from another folder it finds its agent and its heap sampler."""
    run("python3 -m venv .venv", tmp_path, HERE)
    programs = tmp_path / ".venv/bin"
    with timed("README.md", "pip install .; cd my-service"):
        run("pip install .", clone, programs)
        (tmp_path / "my-service").mkdir()
        run("cd my-service", tmp_path)
    service = tmp_path / "my-service"
    assert run("soak --version", service, programs).startswith("soak ")
    configuration = '[target]\ncommand = ["python3", "x.py"]\n[load]\nprofile = "none"\n'
    (service / "soak.toml").write_text(configuration)
    (service / "x.py").touch()
    assert "agent        loads into Python 3." in run("soak doctor", service, programs)
    with timed("tuning.md, guest-safety.md, in the text", "pip install '.[postgres]'; pip install '.[attach]'"):
        run("pip install '.[postgres]'", clone, programs)
        run("pip install '.[attach]'", clone, programs)
    run("python -c 'import psycopg, hypno'", tmp_path, programs)


@pytest.mark.parametrize("name", ["asyncio", "django", "fastapi", "flask-gunicorn", "node"])
def test_the_steps_of_an_example(name: str, tmp_path: Path, timed: Timed) -> None:
    """Installed as its README says, and its other steps in their order; tests/examples judges what they find."""
    folder = tmp_path / name
    if name == "node" and shutil.which("npm") is None:
        pytest.skip("node and npm are not installed here")
    left_out = shutil.ignore_patterns(".venv", "node_modules", "soak*db*", "soak-runs", "__pycache__")
    shutil.copytree(ROOT / "examples" / name, folder, ignore=left_out)
    at = stage.Stage(folder, free_port(), free_port()).equipped()
    for file in (path for path in folder.rglob("*") if path.suffix in (".toml", ".py", ".js")):
        file.write_text(re.sub(r"\b81\d\d\b", str(at.port), file.read_text(encoding="utf-8")), encoding="utf-8")
    steps = list(outside(ROOT / "examples" / name / "README.md"))
    if "pip" in steps[0]:
        with timed(f"examples/{name}/README.md", steps.pop(0)):
            run("python3 -m venv .venv && .venv/bin/pip install -r requirements.txt", folder, HERE)
        run("pip install -r requirements.txt", folder, folder / ".venv/bin")
    elif name == "node":
        with timed(f"examples/{name}/README.md", steps.pop(0)):
            run("npm install", folder)
    if name == "django":
        (tmp_path / "made").mkdir()
        with timed("getting-started.md, in a table", "django-admin startproject mysite ."):
            run("django-admin startproject mysite .", tmp_path / "made", folder / ".venv/bin")
        assert (tmp_path / "made/manage.py").exists()
    assert [step.removeprefix("LEAK=1 ").split()[1] for step in steps] == ["doctor", "run", "run", "report"]
    for step in steps:
        with timed(f"examples/{name}/README.md", step):
            said = at.run(re.sub(r"soak run$", "soak run --cycles 3 --cycle 2s", step)).require()
        assert re.search(r"^(ok|warn|skip)  |^(LEAK|FAILED|ERROR|INCONCLUSIVE|CLEAN)  ", said, re.M), said


def test_what_is_generated_is_what_is_there(clone: Path, timed: Timed) -> None:
    """The commands that write the references write them as they stand, and the sampler can be built afterwards."""
    with timed("the references, in the text", "python tools/docs; python -m soak.cli_reference; …config.reference"):
        assert run("python tools/docs", clone, HERE) == ""
        for command, name in (
            (run("python -m soak.cli_reference", clone, HERE), "reference-commands.md"),
            (run("python -m soak.config.reference", clone, HERE), "reference-configuration.md"),
        ):
            assert command == (clone / "docs" / name).read_text(encoding="utf-8")
    if shutil.which(os.environ.get("CC", "cc")) is None:
        pytest.skip("no C compiler is installed here: probes/soak_heap/build.py has nothing to work with")
    with timed("heap-sampler.md, in the text", "python probes/soak_heap/build.py"):
        run("python probes/soak_heap/build.py", clone, HERE)
    assert (clone / "probes/soak_heap/_soak_heap.so").stat().st_size > 0
    if not has_tests(sys.executable):
        pytest.skip("this Python came without its own tests: tests/heap/suites.py has nothing to run")
    with timed("heap-sampler.md, in the text", "python tests/heap/suites.py probes/soak_heap test_dict"):
        line = run("python tests/heap/suites.py probes/soak_heap test_dict", clone, HERE)
    assert re.search(rf"(?m)^\| {platform.python_version()} \| .*\d.* \|$", line), line
