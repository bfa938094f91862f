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

# Says every 50 ms how many full collections somebody asked for. How much memory is used would not tell: V8 collects by
# itself as well, now sooner and now later.
TARGET = """
const { PerformanceObserver, constants } = require('perf_hooks')
let asked = 0
const full = ({ detail }) =>
  detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR && detail.flags & constants.NODE_PERFORMANCE_GC_FLAGS_FORCED
new PerformanceObserver(list => { asked += list.getEntries().filter(full).length }).observe({ entryTypes: ['gc'] })
let kept = []
for (let i = 0; i < 100000; i++) kept.push({ number: i, text: 'x' + i })
setTimeout(() => { kept = null; setInterval(() => console.log(asked), 50) }, 200)
"""
LINES = 1200  # a minute of them


def test_only_what_starts_node_gets_the_guest() -> None:
    """A command of node or its package managers; what NODE_OPTIONS held before stays in front."""
    assert node_environment(["python", "app.py"], {}) == {}
    added = node_environment(["/usr/bin/node", "app.js"], {"NODE_OPTIONS": "--max-old-space-size=100"})
    assert added == {"NODE_OPTIONS": f'--max-old-space-size=100 --require "{GUEST}"'}


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")
def test_garbage_goes_when_soak_asks(tmp_path: Path) -> None:
    """Two full collections, one after the other, when the file is touched, and none before."""
    environment = os.environ | {"SOAK_AGENT_DIR": str(tmp_path)} | node_environment(["node"], {})
    with subprocess.Popen(["node", "-e", TARGET], env=environment, stdout=subprocess.PIPE, text=True) as node:
        assert node.stdout is not None
        try:
            before = [int(node.stdout.readline()) for _ in range(5)]
            ask_to_collect(tmp_path)
            after = next((asked for asked in map(int, islice(node.stdout, LINES)) if asked > 1), 0)
        finally:
            node.kill()
    assert set(before) == {0} and after >= 2  # the several events of a touch may come late and one by one


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
            timeout=4 * PATIENCE_S,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")
