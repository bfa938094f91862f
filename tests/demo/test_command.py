"""`soak demo` compares what came out with what was planted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from soak.commands.demo import Variant, faults_of_clean, faults_of_leaky, shortened
from soak.config import load_config
from soak.demo.leaks import truth
from tests.common import wait_until

PLANTED = truth("list")


def leaky(**site: Any) -> dict[str, Any]:
    """A report on the leaky target whose first site is the planted one, but for what is given."""
    first = {"file": f"/somewhere/{shortened(PLANTED.file)}", "line": PLANTED.line, "function": PLANTED.function}
    return {"verdict": "leak", "findings": [{"sites": []}, {"sites": [{**first, **site}, {"file": "other"}]}]}


def test_the_planted_line_in_first_place_is_right() -> None:
    """File, line and function have to fit; where the package is installed does not matter."""
    assert faults_of_leaky(leaky(), PLANTED) == []
    assert faults_of_leaky(leaky(function="Orders.remember"), PLANTED) == []


@pytest.mark.parametrize(
    "report",
    [
        {},
        {"verdict": "clean"},
        {"verdict": "leak", "findings": []},
        leaky(line=PLANTED.line + 1),
        leaky(function="forget"),
        leaky(file="/x/leaks.py"),
    ],
)
def test_anything_else_is_a_fault(report: dict[str, Any]) -> None:
    """No report, another verdict, no site, and another line, function or file in first place."""
    assert len(faults_of_leaky(report, PLANTED)) == 1


@pytest.mark.parametrize(("verdict", "faults"), [("clean", 0), ("inconclusive", 1), ("leak", 1), (None, 1)])
def test_only_clean_is_clean(verdict: str | None, faults: int) -> None:
    """An undecided clean target is not what was planted either."""
    assert len(faults_of_clean({"verdict": verdict})) == faults


def test_the_configurations_of_the_demo_are_valid(tmp_path: Path) -> None:
    """Each variant writes a configuration that loads, with its leak in the target's environment."""
    variant = Variant("leaky", "list", tmp_path / "leaky", 8123)
    variant.write(10.0, 9)
    config = load_config(tmp_path / "leaky/soak.toml", environ={})
    assert (config.load.cycle, config.load.cycles, config.target.env) == (10.0, 9, {"SOAK_DEMO_LEAK": "list"})
    assert variant.report() == {}


@pytest.mark.timeout(600)
def test_a_demo_that_is_killed_leaves_nothing_running(tmp_path: Path) -> None:
    """kill -9 of `soak demo` in mid-run: its soaks and their targets end by themselves."""
    keep = tmp_path / "out"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SOAK_")}
    demo = subprocess.Popen(
        [sys.executable, "-m", "soak", "demo", "-q", "--cycle", "10m", "--keep", str(keep)],
        env=clean,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: len(_targets(demo.pid)) == 2, 240)
        started = _family(demo.pid)
    finally:
        demo.send_signal(signal.SIGKILL)
        demo.wait()
    assert len(started) >= 4
    wait_until(lambda: not [process for process in started if _runs(process)], 240)


def _family(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def _runs(process: psutil.Process) -> bool:
    """Whether it is there and no zombie, which it may stay for as long as who adopts it likes."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _targets(pid: int) -> list[psutil.Process]:
    found = []
    for process in _family(pid):
        try:
            command = process.cmdline()
        except psutil.Error:
            continue
        if command[1:3] == ["-m", "soak.demo.target"]:
            found.append(process)
    return found
