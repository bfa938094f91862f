"""Runs soak as a user would: a folder with a soak.toml, the command, what it printed, the report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.common import PATIENCE_S, free_port

LONG_S = 2 * PATIENCE_S  # for the end of a soak: its target, its load and its analysis are processes that end in turn
# Of a run that the test ends: a short one may be over before it is looked at, or end as one whose target is silent.
ENDLESS = {"cycle": "60s", "cycles": 100, "quiet": "5s"}
ATTEMPTS = 4  # soaks, until one was not disturbed
# How a report says that the machine kept soak or its load from their work.
DISTURBED = {"samples_missing", "readings_missing", "load_not_landed", "generator_limited", "outage"}
GUEST = Path(__file__).resolve().parent.parent / "targets" / "guest.py"


def write_config(folder: Path, **changes: dict[str, Any]) -> Path:
    """A soak.toml for the guest with short cycles; each keyword replaces or adds keys of that table."""
    port = free_port()
    tables: dict[str, dict[str, Any]] = {
        "target": {
            "name": "guest",
            "command": [sys.executable, str(GUEST)],
            "env": {"PORT": str(port)},
            "url": f"http://127.0.0.1:{port}",
            "ready": "/health",
        },
        "load": {"cycle": "4s", "cycles": 5, "low": 5, "high": 60, "quiet": "1500ms"},
        "limits": {"peak": "4GB"},
    }
    for name, change in changes.items():
        table = tables.setdefault(name, {})
        for key, value in change.items():
            merged = {**table[key], **value} if isinstance(value, dict) and key in table else value
            table[key] = merged
    lines = []
    for name, table in tables.items():
        lines += [f"[{name}]", *(f"{key} = {toml(value)}" for key, value in table.items()), ""]
    lines += ["[[scenario]]", 'name = "work"', 'path = "/work"']
    path = folder / "soak.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def toml(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    return json.dumps(value)


@dataclass(frozen=True, slots=True)
class Done:
    """What a command left: exit code, output, and its report when it wrote one."""

    code: int
    out: str
    err: str
    report: dict[str, Any] | None


def soak_command(*args: str) -> list[str]:
    """The command line of soak in this environment."""
    return [sys.executable, "-P", "-m", "soak", *args]


def soak(folder: Path, *args: str, env: dict[str, str] | None = None, timeout: float = 280.0) -> Done:
    """Run soak in `folder`; a report.json written there is read."""
    done = subprocess.run(
        soak_command(*args),
        cwd=folder,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    file = folder / "report.json"
    report = json.loads(file.read_text()) if file.exists() else None
    return Done(done.returncode, done.stdout, done.stderr, report)


def soak_undisturbed(folder: Path, good: Callable[[dict[str, Any]], bool]) -> Done:
    """`soak run`, again only while its report is not `good` and says itself that soak or its load lost their turns.

    A cycle of seconds bears no machine that stands still for one: skipped when the last soak was disturbed as well.
    """
    for _ in range(ATTEMPTS):
        (folder / "report.json").unlink(missing_ok=True)
        done = soak(folder, "run", "--json", "report.json")
        assert done.report is not None, done.err
        found = DISTURBED & {one["code"] for one in done.report["evidence"]}
        if good(done.report) or not found:
            return done
    pytest.skip(f"the machine was too busy for a verdict in {ATTEMPTS} soaks: {', '.join(sorted(found))}")


@contextmanager
def running(folder: Path, *args: str, **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """soak in the background, killed at the end if it still runs: its warden ends what it started."""
    with subprocess.Popen(soak_command(*args), cwd=folder, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def leftovers(folder: Path) -> list[psutil.Process]:
    """Processes whose folder or command line belongs to this test."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            if process.cwd() == str(folder) or any(str(folder) in word for word in words):
                found.append(process)
        except psutil.Error:
            continue
    return found
