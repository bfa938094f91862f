"""What the README says first, done by somebody who has nothing but a clone of this repository and a package index."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from soak.commands.demo import CYCLE_SECONDS, CYCLES
from tests.common import free_port
from tests.docs import stage
from tests.docs.blocks import ROOT, outside
from tests.docs.conftest import Timed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

HERE = Path(sys.executable).parent
TRIES = 3
# What pip says when the index did not answer, or not well, after all of its own tries.
_NO_INDEX = re.compile(r"WARNING: Retrying \(Retry|HTTPSConnectionPool|ProtocolError|IncompleteRead|HTTP error 5\d\d")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a clone of this repository has: everything that git does not ignore, and nothing that was built here."""
    folder = tmp_path_factory.mktemp("fresh") / "soak"
    ignored = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text().splitlines() if line]
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".git", *ignored))
    return folder


def environment(*programs: Path) -> dict[str, str]:
    """That of the tests without settings of ours and theirs, with these folders first on the path."""
    ours = ("SOAK_", "VIRTUAL_ENV", "PYTEST_", "MAKE", "MFLAGS", "COV_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    path = ":".join([*map(str, programs), kept["PATH"]])
    return {"PIP_RETRIES": "8", "PIP_DEFAULT_TIMEOUT": "60", **kept, "PATH": path, "COLUMNS": "80"}


def run(command: str, folder: Path, *programs: Path, codes: tuple[int, ...] = (0,)) -> str:
    """One line in a shell, what it prints; once more when the package index did not answer, and skipped in the end."""
    for _ in range(TRIES):
        done = stage.run(command, folder, environment(*programs))
        if done.code in codes or not _NO_INDEX.search(done.said):
            return done.require(*codes)
    pytest.skip(f"the package index does not answer: {done.said[-300:]}")


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
    with timed("tuning.md, guest-safety.md, in the text", "pip install 'soak[postgres]'; pip install 'soak[attach]'"):
        run("pip install 'soak[postgres]'", tmp_path, programs)
        run("pip install 'soak[attach]'", tmp_path, programs)
    run("python -c 'import psycopg, hypno'", tmp_path, programs)


@pytest.mark.parametrize("name", ["asyncio", "django", "fastapi", "flask-gunicorn"])
def test_the_steps_of_an_example(name: str, tmp_path: Path, timed: Timed) -> None:
    """Installed as its README says, and its other steps in their order; tests/examples judges what they find."""
    folder = tmp_path / name
    left_out = shutil.ignore_patterns(".venv", "soak*db*", "soak-runs", "__pycache__")
    shutil.copytree(ROOT / "examples" / name, folder, ignore=left_out)
    at = stage.Stage(folder, free_port(), free_port()).equipped()
    for file in (path for path in folder.rglob("*") if path.suffix in (".toml", ".py")):
        file.write_text(re.sub(r"\b81\d\d\b", str(at.port), file.read_text(encoding="utf-8")), encoding="utf-8")
    steps = list(outside(ROOT / "examples" / name / "README.md"))
    if "pip" in steps[0]:
        with timed(f"examples/{name}/README.md", steps.pop(0)):
            run("python3 -m venv .venv && .venv/bin/pip install -r requirements.txt", folder, HERE)
        run("pip install -r requirements.txt", folder, folder / ".venv/bin")
    assert [step.split()[-1] for step in steps] == ["doctor", "run", "run", "report"]
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
