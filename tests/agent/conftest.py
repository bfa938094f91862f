"""Guests of every interpreter that is here: a script is started with the agent in it and asked over its socket."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import soak_agent
from soak_probes.agent_client import AgentClient
from tests.common import PATIENCE_S

WALK_S = 200.0  # for a walk of a second, in hundreds of steps that each wait for their turn on a busy machine
VERSIONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")


def find_python(version: str) -> str | None:
    """An interpreter of that version: on the path, or among pyenv's."""
    for place in sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python")):
        return str(place)
    if "{}.{}".format(*sys.version_info) == version:
        return sys.executable
    return shutil.which(f"python{version}")


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for an agent, an injector or gdb as long as a busy machine may need."""
    for place in ("client.CONNECT_TIMEOUT", "attach.PATIENCE", "attach.TOOL_PATIENCE"):
        monkeypatch.setattr(f"soak_probes.agent_{place}", PATIENCE_S)
    for place in ("guests.DETACH_PATIENCE", "troughs.PATIENCE", "troughs.MARK_PATIENCE"):
        monkeypatch.setattr(f"soak.{place}", PATIENCE_S)


@pytest.fixture(params=VERSIONS)
def python(request: pytest.FixtureRequest) -> str:
    """Each supported interpreter in turn; one that is missing is skipped by name."""
    found = find_python(request.param)
    if found is None:
        pytest.skip(f"no Python {request.param} on this machine")
    return found


class Guest:
    """A target with the agent in it: says a line when it is ready, goes on for each line it is sent."""

    def __init__(self, process: subprocess.Popen[str], client: AgentClient) -> None:
        self.process = process
        self.client = client
        self.pid = process.pid

    def line(self) -> str:
        """The next line the target prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def go(self) -> str:
        """Let the target run to its next stop, and what it says there."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.line()

    def read(self, **args: Any) -> dict[str, Any]:
        """One reading."""
        return self.client.request(self.pid, "read", timeout=PATIENCE_S, **args)

    def handles(self, kind: str, **args: Any) -> dict[str, int]:
        """Functions of the application's file to how many handles of `kind` were born under them."""
        found: dict[str, int] = {}
        for group in self.read(**args)["handles"]:
            if group["kind"] == kind:
                names = [frame[2] for frame in group["stack"] if frame[0].endswith("target.py")]
                found[names[-1] if names else ""] = found.get(names[-1] if names else "", 0) + group["count"]
        return found

    def errors(self) -> str:
        """End the target and give what it wrote to standard error."""
        self.kill()
        assert self.process.stderr is not None
        return self.process.stderr.read()

    def kill(self) -> None:
        """End the target and all it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., Guest]]:
    """Start `source` as target.py under an interpreter, with the agent unless told otherwise."""
    started: list[Guest] = []

    def start(source: str, *, python: str = sys.executable, options: tuple[str, ...] = (), agent: bool = True,
              env: dict[str, str] | None = None, cwd: Path | None = None, **settings: Any) -> Guest:  # fmt: skip
        script = tmp_path / "target.py"
        script.write_text(textwrap.dedent(source))
        variables = {**os.environ, "PYTHONPATH": "", **(env or {})}
        if agent:
            settings.setdefault("heap", "off")
            variables.update(soak_agent.environment(tmp_path / "agent", base_env=variables, **settings))
        process = subprocess.Popen(
            [python, *options, str(script)], cwd=cwd or tmp_path, env=variables, text=True,
            start_new_session=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        guest = Guest(process, AgentClient(tmp_path / "agent"))
        started.append(guest)
        return guest

    yield start
    for guest in started:
        guest.client.close()
        guest.kill()
        for stream in (guest.process.stdin, guest.process.stdout, guest.process.stderr):
            if stream is not None:
                stream.close()
