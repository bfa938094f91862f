"""What left the target's tree is still counted under the code that started it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import soak_agent
from soak.target import TargetProcess
from soak_probes.agent_client import AgentClient
from tests.common import PATIENCE_S, wait_until

# Daemonises itself, with no environment, as a program that never heard of soak does, and leaves a file to say so.
HELPER = """
import os, sys, time
if os.fork(): os._exit(0)
os.setsid()
middle = os.getpid()
if os.fork(): os._exit(0)
while os.getppid() == middle: time.sleep(0.01)
open(os.path.join(sys.argv[1], str(os.getpid())), "w").close()
time.sleep(600)
"""
CODE = """
import subprocess, sys, time
from _soak_agent import handles
handles.ORPHAN_SLACK = 600  # an interpreter may take long to come up on a busy machine
def culprit():
    subprocess.run([sys.executable, "-S", "-c", *sys.argv[1:]], env={}, check=True)
culprit()
culprit()
time.sleep(600)
"""


def test_an_orphan_is_counted_where_it_was_started(launch: Callable[..., TargetProcess], tmp_path: Path) -> None:
    """Two helpers that daemonised themselves are children of the warden, and of `culprit` in the reading."""
    agents, here = tmp_path / "agents", tmp_path / "here"
    here.mkdir()
    target = launch((sys.executable, "-c", CODE, HELPER, str(here)), start=False)
    target.start(tmp_path / "run", soak_agent.environment(agents, heap="off"))
    wait_until(lambda: len(list(here.iterdir())) == 2)
    pid = target.roots[0][0]
    children = Path(f"/proc/{target.reaper_pid}/task/{target.reaper_pid}/children")
    # Those between them are reaped by the warden some time after they have ended.
    wait_until(lambda: set(children.read_text().split()) == {str(pid), *(file.name for file in here.iterdir())})
    client = AgentClient(agents)
    reading = client.request(pid, "read", timeout=PATIENCE_S)
    groups = [group for group in reading["handles"] if group["kind"] == "child"]
    assert [(group["count"], "culprit" in [frame[2] for frame in group["stack"]]) for group in groups] == [(2, True)]
    client.close()
