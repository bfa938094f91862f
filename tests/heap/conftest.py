"""What the heap sampler's tests share: the compiled library, the interpreters there are, and a way to run a guest."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from soak_heap.build import LIBRARY, PRELOAD, compile_library

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parents[1] / "probes" / "soak_heap"
MINORS = (9, 10, 11, 12, 13, 14)

Guest = Callable[..., dict[str, Any]]


def find_python(minor: int) -> str | None:
    """A Python 3.<minor>: this one, one named in SOAK_TEST_PYTHONS (by colons), one of pyenv's, or one on PATH."""
    if sys.version_info[1] == minor:
        return sys.executable
    named = [Path(p) for p in os.environ.get("SOAK_TEST_PYTHONS", "").split(":") if f"3.{minor}" in p]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = named + sorted(pyenv.glob(f"3.{minor}.*/bin/python"))
    return str(found[-1]) if found else shutil.which(f"python3.{minor}")


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sampler compiled from the source as it is now."""
    if not shutil.which(os.environ.get("CC", "cc")):
        pytest.skip("no C compiler on this machine")
    folder = tmp_path_factory.mktemp("soak_heap")
    why = compile_library(folder)
    assert not why, why
    return folder / LIBRARY.name


def there(minor: int) -> str:
    """The interpreter of that name, or the test is skipped by it."""
    found = find_python(minor)
    if found is None:
        pytest.skip(f"Python 3.{minor} is not on this machine (SOAK_TEST_PYTHONS can name one)")
    return found


@pytest.fixture(params=MINORS, ids=lambda minor: f"3.{minor}")
def python(request: pytest.FixtureRequest) -> str:
    """Each interpreter that can be had: each has a layout of its own."""
    return there(request.param)


@pytest.fixture(params=[pytest.param(m, id=f"3.{m}", marks=() if m % 2 else pytest.mark.slow) for m in MINORS])
def some_python(request: pytest.FixtureRequest) -> str:
    """For what takes longer and differs less: every other version, the rest among the slow tests."""
    return there(request.param)


@pytest.fixture
def guest(library: Path) -> Guest:
    """`guest("leak.py", python=..., preload=..., arguments...)` runs guests/leak.py and gives back what it printed."""

    def run(
        script: str, *arguments: object, python: str = sys.executable, preload: bool = False, **environ: str
    ) -> Any:
        environment = guest_environment(library, preload=preload) | environ
        command = [python, str(HERE / "guests" / script), *map(str, arguments)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout.splitlines()[-1])

    return run


def guest_environment(library: Path, *, preload: bool = False) -> dict[str, str]:
    """The environment of a guest that loads the sampler itself (guests/common.py)."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LD_"))}
    environment |= {"SOAK_HEAP_SOURCE": str(SOURCE / "sampler.py"), "SOAK_HEAP_LIBRARY": str(library)}
    if preload:
        environment["LD_PRELOAD"] = str(library.with_name(PRELOAD.name))
    return environment
