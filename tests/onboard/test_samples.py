"""Public sample applications, made by their own generators or taken from their own packages, soaked as they are.

Each is made in an empty folder and installed into an environment of its own from the package index. The times are
those of somebody who types `soak init --yes && soak run --cycles 3 --cycle 20s`; they are printed (pytest -rP).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.soaking import soak

LONGEST_S = 300.0
PIP = (".venv/bin/python", "-m", "pip", "--quiet", "--disable-pip-version-check")


def call(folder: Path, *command: str) -> None:
    """Run one step of the application's own instructions."""
    subprocess.run(command, cwd=folder, check=True, timeout=LONGEST_S, capture_output=True)


def installed(folder: Path, *packages: str) -> None:
    """A virtual environment with them."""
    call(folder, sys.executable, "-m", "venv", ".venv")
    call(folder, *PIP, "install", *packages)


def sources(folder: Path, package: str, inside: str) -> Path:
    """The folder `inside` of the source distribution of a package, unpacked."""
    beside = folder.parent / f"{folder.name}-sources"
    call(folder, *PIP, "download", "--no-deps", "--no-binary", package, "-d", str(beside), package)
    (archive,) = beside.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(beside, filter="data")
    return beside / archive.name.removesuffix(".tar.gz") / inside


def fastapi(folder: Path) -> None:
    """The heroes of the FastAPI tutorial, with their SQLite database."""
    installed(folder, "fastapi", "uvicorn", "sqlmodel")
    found = sorted(sources(folder, "fastapi", "docs_src/sql_databases").glob("tutorial002*.py"))
    shutil.copy(found[0], folder / "main.py")  # the variants differ in the Python they are written for


def flask(folder: Path) -> None:
    """The blog of the Flask tutorial, installed and with its database as its README says."""
    installed(folder, "flask")
    shutil.copytree(sources(folder, "flask", "examples/tutorial/flaskr"), folder / "flaskr")
    call(folder, ".venv/bin/flask", "--app", "flaskr", "init-db")


def django(folder: Path) -> None:
    """What django-admin startproject makes."""
    installed(folder, "django")
    call(folder, ".venv/bin/django-admin", "startproject", "mysite", ".")
    call(folder, ".venv/bin/python", "manage.py", "migrate")


def aiohttp(folder: Path) -> None:
    """The web server of aiohttp's own examples."""
    installed(folder, "aiohttp")
    shutil.copy(sources(folder, "aiohttp", "examples") / "web_srv.py", folder)


def express(folder: Path) -> None:
    """What express-generator makes."""
    if shutil.which("npx") is None:
        pytest.skip("node and npm are not installed here")
    call(folder, "npx", "--yes", "express-generator", "--no-view", ".")
    call(folder, "npm", "install", "--no-audit", "--no-fund")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("make", [fastapi, flask, django, aiohttp, express])
def test_a_sample_application_is_soaked_without_an_edit(make: Callable[[Path], None], tmp_path: Path) -> None:
    """Under five minutes with the install; it lands its load, and nothing is accused."""
    folder = tmp_path / make.__name__
    folder.mkdir()
    began = time.monotonic()
    make(folder)
    ready = time.monotonic()
    said = soak(folder, "init", "--yes")
    assert said.code == 0, said.err
    configured = time.monotonic()
    done = soak(folder, "run", "--cycles", "3", "--cycle", "20s", "--json", "report.json")
    ended = time.monotonic()
    print((folder / "soak.toml").read_text(), said.err, done.out, done.err, sep="\n")
    print(f"{make.__name__}: {ready - began:.0f} + {configured - ready:.0f} + {ended - configured:.0f} s")
    assert done.report is not None and done.code in (0, 3), done.err
    assert done.report["findings"] == []
    load = done.report["load"]
    assert load["landed"] == load["due"] > 100 and not load["errors"]
    assert ended - began < LONGEST_S
