"""Letting the agent into a process that runs already, and out again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from soak_probes import agent_attach
from soak_probes.agent_attach import AttachError, attach, python_version

from .conftest import Guest

WORKING = """
import sys, threading, time
kept = []
def culprit():
    kept.append(open("/etc/hosts"))
print("ready", flush=True)
threading.Thread(target=sys.stdin.readline).start()
while threading.active_count() > 1:
    time.sleep(0.01)
culprit()
print("made", flush=True)
threading.Thread(target=sys.stdin.readline).start()
while threading.active_count() > 1:
    time.sleep(0.01)
"""


def test_the_version_is_read_from_the_process(launch: Callable[..., Guest], python: str) -> None:
    """Executable or mapped library tell which Python runs; a process without Python has none."""
    guest = launch(WORKING, python=python, agent=False)
    assert guest.line() == "ready"
    said = subprocess.run(
        [python, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True, check=True
    )
    assert python_version(guest.pid) == tuple(map(int, said.stdout.split()))
    sleeper = subprocess.Popen(["/bin/sleep", "600"])
    try:
        assert python_version(sleeper.pid) is None
        with pytest.raises(AttachError, match="runs no Python"):
            attach(sleeper.pid, Path("/nonexistent"))
    finally:
        sleeper.kill()
        sleeper.wait()


def test_a_running_process_is_entered_read_and_left(launch: Callable[..., Guest], python: str, tmp_path: Path) -> None:
    """Births are noted from then on; nothing of the script stays in the folder; tracemalloc is never chosen."""
    guest = launch(WORKING, python=python, agent=False)
    assert guest.line() == "ready"
    version = python_version(guest.pid)
    assert version is not None
    if version < (3, 14) and agent_attach._injector() is None and agent_attach.shutil.which("gdb") is None:
        pytest.skip("neither pyinjector nor gdb is installed")
    way = attach(guest.pid, tmp_path / "agent", heap="off")
    assert way in ("sys.remote_exec", "pyinjector", "gdb")
    assert attach(guest.pid, tmp_path / "agent") == "there already"
    assert not list((tmp_path / "agent").glob("into-*"))
    assert guest.go() == "made"
    assert guest.handles("fd").get("culprit") == 1
    guest.client.request(guest.pid, "detach")
    assert guest.client.connect(guest.pid) is None
    assert attach(guest.pid, tmp_path / "agent") == way  # and once more, with the hooks that could not be removed
    assert guest.read()["warnings"] == []
    assert guest.read()["mode"] in ("sampler", "off")
    assert guest.errors() == ""


def test_who_cannot_be_entered_is_told_why(launch: Callable[..., Guest], monkeypatch: pytest.MonkeyPatch) -> None:
    """No process, another user's, other files, and no tool at hand: one clear message each."""
    with pytest.raises(AttachError, match="no process"):
        attach(2**22 + 1, Path("/nonexistent"))
    guest = launch(WORKING, agent=False)
    assert guest.line() == "ready"
    monkeypatch.setattr(agent_attach, "_injector", lambda: None)
    monkeypatch.setattr(agent_attach.shutil, "which", lambda name: None)
    if sys.version_info < (3, 14):
        with pytest.raises(AttachError, match="neither pyinjector nor gdb"):
            attach(guest.pid, Path("/nonexistent"))
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(agent_attach, "_same_files", lambda pid: False)
        with pytest.raises(AttachError, match=r"PrivateTmp.*SOAK_AGENT_DIR in a folder that both see"):
            agent_attach.way_in(guest.pid)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(AttachError, match="another user"):
        attach(guest.pid, Path("/nonexistent"))
