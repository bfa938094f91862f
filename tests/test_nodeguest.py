"""The guest in a Node target: garbage is collected when soak asks, and only then."""

from __future__ import annotations

import os
import shutil
import subprocess
from itertools import islice
from pathlib import Path

import pytest

from soak.nodeguest import GUEST, ask_to_collect, node_environment
from tests.common import PATIENCE_S

MB = 2**20
# Makes some 30 MB, drops them a moment later, then says every 50 ms how much of the heap is used.
TARGET = """
let kept = []
for (let i = 0; i < 400000; i++) kept.push({ number: i, text: 'x' + i })
setTimeout(() => { kept = null; setInterval(() => console.log(process.memoryUsage().heapUsed), 50) }, 200)
"""
# Some seconds after the last allocation V8 gives memory back by itself, and how many that are depends on the machine.
IDLE_NODE = ("node", "--no-memory-reducer", "-e", TARGET)
LINES = 1200  # a minute of them


def test_only_what_starts_node_gets_the_guest() -> None:
    """A command of node or its package managers; what NODE_OPTIONS held before stays in front."""
    assert node_environment(["python", "app.py"], {}) == {}
    added = node_environment(["/usr/bin/node", "app.js"], {"NODE_OPTIONS": "--max-old-space-size=100"})
    assert added == {"NODE_OPTIONS": f'--max-old-space-size=100 --require "{GUEST}"'}


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")
def test_garbage_goes_when_soak_asks(tmp_path: Path) -> None:
    """An idle Node keeps its garbage until the file is touched."""
    environment = os.environ | {"SOAK_AGENT_DIR": str(tmp_path)} | node_environment(["node"], {})
    with subprocess.Popen(IDLE_NODE, env=environment, stdout=subprocess.PIPE, text=True) as node:
        assert node.stdout is not None
        try:
            before = [int(node.stdout.readline()) for _ in range(5)]
            ask_to_collect(tmp_path)
            after = next((used for used in map(int, islice(node.stdout, LINES)) if used < 10 * MB), None)
        finally:
            node.kill()
    assert min(before) > 15 * MB
    assert after is not None


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")
def test_the_guest_keeps_no_process_alive(tmp_path: Path) -> None:
    """A script that has ended ends, and without a folder to watch it runs as if there were no guest."""
    for folder in (tmp_path, tmp_path / "none"):
        environment = os.environ | {"SOAK_AGENT_DIR": str(folder)} | node_environment(["node"], {})
        done = subprocess.run(
            ["node", "-e", "console.log(1)"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")
