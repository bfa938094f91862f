"""Targets to launch, each ended by the test whatever happens."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from soak.config import Target as TargetSettings
from soak.target import TargetProcess
from soak_probes import start_time_of
from tests.common import PATIENCE_S, wait_until

Launch = Callable[..., TargetProcess]


def python(code: str) -> tuple[str, ...]:
    """A command that runs some code."""
    return (sys.executable, "-S", "-u", "-c", textwrap.dedent(code))


def gone(*pids: int) -> bool:
    """Whether none of these processes lives."""
    return all(start_time_of(pid) is None for pid in pids)


def delivered(pid: int) -> bool:
    """Whether no signal waits for this process any more: it has taken what it was sent, or is gone."""
    try:
        fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    except (FileNotFoundError, ProcessLookupError):
        return True
    return gone(pid) or not any(int(fields[name], 16) for name in ("SigPnd", "ShdPnd"))


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Make a target from code or a command and start it (start=False: do not)."""
    made: list[TargetProcess] = []

    def make(code: str | tuple[str, ...], *, start: bool = True, environ: Any = None, **settings: Any) -> TargetProcess:
        command = code if isinstance(code, tuple) else python(code)
        settings = {"cwd": tmp_path, "stop_timeout": PATIENCE_S, "startup_timeout": PATIENCE_S, **settings}
        made.append(TargetProcess(TargetSettings(command=command, **settings), environ=environ))
        if start:
            made[-1].start(tmp_path / "run", {})
        return made[-1]

    yield make
    for target in made:
        target.stop()


def said(target: TargetProcess, lines: int = 1) -> list[str]:
    """The first lines of its log, as soon as they are there."""
    assert target.log_path is not None
    path = target.log_path
    wait_until(lambda: path.read_text().count("\n") >= lines)
    return path.read_text().splitlines()
