"""Run a test suite in an interpreter and read what came of every test."""

from __future__ import annotations

import os
import subprocess
import tarfile
import tempfile
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import soak_agent

STANDARD = ("test_asyncio", "test_threading", "test_socket", "test_subprocess")
LIMIT_S = 1500
# Left out: a virtual machine without a peer to its host waits for one for ever, and CPython 3.13.0, by itself, did not
# come out of a recursion in 24 minutes.
OPTIONS = ("-u", "none", "-i", "*VSOCK*", "-i", "*gh_102056*")
# What a suite needs beside the package itself, as it says in its own requirements.
TOOLS = ("hatchling", "flit-core", "pytest==8.3.3")
FRAMEWORKS = {
    "starlette==0.41.3": (
        "anyio==4.6.2.post1",
        "httpx==0.27.2",
        "itsdangerous",
        "jinja2",
        "python-multipart",
        "trio",
        "pyyaml",
        "typing_extensions",
    ),
    "flask==3.0.3": ("asgiref", "python-dotenv"),
}

Outcomes = dict[str, str]  # test -> passed, failed or skipped


@dataclass(frozen=True)
class Compared:
    """One suite: what came of its tests without and with the agent."""

    name: str
    python: str
    without: Outcomes
    beside: Outcomes

    def differing(self) -> list[str]:
        """The tests that came out otherwise, or in one of the two runs alone."""
        every = sorted(self.without.keys() | self.beside.keys())
        return [test for test in every if self.without.get(test) != self.beside.get(test)]

    def line(self) -> str:
        """A row of the table in docs/guest-safety.md."""
        counts = [sum(one == kind for one in self.without.values()) for kind in ("passed", "failed", "skipped")]
        told = [f"{test}: {self.without.get(test)} -> {self.beside.get(test)}" for test in self.differing()]
        return f"| {self.name} | {self.python} | {' / '.join(map(str, counts))} | {'; '.join(told) or 'none'} |"


def version(python: str) -> str:
    """`3.11.7` of an interpreter."""
    code = "import platform; print(platform.python_version())"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def has_tests(python: str) -> bool:
    """Whether the interpreter came with the tests of the standard library."""
    return subprocess.run([python, "-c", "import test.test_asyncio"], capture_output=True, check=False).returncode == 0


def agent_environment(folder: Path, python: str) -> dict[str, str]:
    """The variables under which the suite has the agent, with the sampler and handles; RuntimeError when it has not."""
    added = soak_agent.environment(folder / "agent", heap="sampler", handles=True)
    code = "import sys; sys.exit('_soak_agent' not in sys.modules)"
    if subprocess.run([python, "-c", code], env=os.environ | added, check=False).returncode:
        raise RuntimeError(f"the agent does not get into {python}")
    return added


def standard(python: str, suite: str, *, tries: int = 2) -> Compared:
    """A suite of the standard library."""

    def run(folder: Path, added: dict[str, str]) -> Outcomes:
        report = folder / "report.xml"
        command = [python, "-m", "test", *OPTIONS, "--junit-xml", str(report), suite]
        return outcomes(command, folder, added, report)

    return compare(suite, python, run, tries)


def framework(python: str, requirement: str, home: Path, *, tries: int = 2) -> Compared:
    """The suite in the source distribution of a package, in a virtual environment of its own below `home`."""
    source, interpreter = prepared(python, requirement, home)

    def run(folder: Path, added: dict[str, str]) -> Outcomes:
        report = folder / "report.xml"
        command = [interpreter, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", "tests"]
        return outcomes(command, source, added, report)

    return compare(requirement, interpreter, run, tries)


def compare(name: str, python: str, run: object, tries: int) -> Compared:
    """Both runs; where they differ, both again, and what differs every time is what counts."""
    assert callable(run)
    with tempfile.TemporaryDirectory(prefix="suites-") as place:
        folder = Path(place)
        added = agent_environment(folder, python)
        found = Compared(name, version(python), run(folder, {}), run(folder, added))
        for _ in range(tries - 1):
            again = found.differing()
            if not again:
                break
            without, beside = run(folder, {}), run(folder, added)
            for test in again:
                if without.get(test) == beside.get(test):
                    found.without[test] = found.beside[test] = without.get(test, "skipped")
        return found


def outcomes(command: list[str], folder: Path, added: dict[str, str], report: Path) -> Outcomes:
    """Run the suite and read its report."""
    report.unlink(missing_ok=True)
    subprocess.run(
        command,
        cwd=folder,
        env=os.environ | added,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=LIMIT_S,
        check=False,
    )
    return parse(report.read_text())


def parse(report: str) -> Outcomes:
    """{test: outcome} of a report in the form of JUnit."""
    found: Outcomes = {}
    for case in ET.fromstring(report).iter("testcase"):
        name = f"{case.get('classname') or ''} {case.get('name')}".strip()
        kinds = {child.tag for child in case}
        outcome = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        # A test with subtests stands there once for each that did not pass.
        if found.get(name) != "failed":
            found[name] = outcome
    return found


def prepared(python: str, requirement: str, home: Path) -> tuple[Path, str]:
    """(unpacked source distribution, interpreter of an environment with it and pytest); kept for the next time."""
    place = home / f"{requirement.replace('==', '-')}-py{version(python)}"
    interpreter = str(place / "venv/bin/python")
    if not (place / ".done").exists():
        subprocess.run([python, "-m", "venv", str(place / "venv")], check=True)
        pip = [interpreter, "-m", "pip"]
        subprocess.run([*pip, "install", "-qq", *TOOLS, *FRAMEWORKS[requirement]], check=True)
        get = ["download", "-qq", "--no-deps", "--no-build-isolation", "--no-binary", ":all:", "-d", str(place)]
        subprocess.run([*pip, *get, requirement], check=True)
        subprocess.run([*pip, "install", "-qq", requirement], check=True)
        for archive in place.glob("*.tar.gz"):
            with tarfile.open(archive) as opened:
                opened.extractall(place, filter="data")
        (place / ".done").touch()
    return next(path.parent for path in place.glob("*/tests") if path.parent.name != "venv"), interpreter
