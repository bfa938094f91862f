"""What soak says of its own cost in the target."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import soak_agent
from soak.report.compute import compute
from soak.report.formats import render
from soak.report.observed import cpu_ratio
from soak.report.observer_text import agent_notes, observer_line
from soak_probes.agent_client import AgentClient
from soak_storage import Store
from soak_storage.records import EventRow, ReadingRow
from tests.common import PATIENCE_S

from .runs import Plan, make_run


def reading(process: str, t: float, **cost: Any) -> ReadingRow:
    """One answer of an agent with its cost."""
    return ReadingRow(t=t, cycle=int(t), process=process, detail={"cost": cost})


def test_the_ratio_is_of_what_came_between_the_readings() -> None:
    """Two processes, 10 s of CPU each since the first reading, of which 0.5 s and 0.1 s are the agent's."""
    rows = [
        reading("1:main", 0.0, cpu=5.0, thread=1.0, births=0.0, heap=0.0),
        reading("2:worker", 0.0, cpu=1.0, thread=0.0, births=0.0, heap=0.0),
        reading("1:main", 1.0, cpu=15.0, thread=1.2, births=0.1, heap=0.2),
        reading("2:worker", 1.0, cpu=11.0, thread=0.1, births=0.0, heap=0.0),
    ]
    assert cpu_ratio(rows) == pytest.approx(20.0 / (20.0 - 0.6))


def test_what_is_not_known_is_no_number() -> None:
    """tracemalloc cannot tell what it costs, an old run has nothing to tell, one reading tells of its whole life."""
    assert cpu_ratio([reading("1:main", 0.0, cpu=5.0, thread=0.0, births=0.0, heap=None)]) is None
    assert cpu_ratio([ReadingRow(t=0.0, cycle=0, process="1:main")]) is None
    assert cpu_ratio([reading("1:main", 0.0, cpu=5.0, thread=1.0, births=0.0, heap=0.0)]) == pytest.approx(1.25)


def test_the_agent_tells_what_it_cost(tmp_path: Path) -> None:
    """Its thread, its births and the sampler, beside the processor time of the whole process."""
    env = {**os.environ, **soak_agent.environment(tmp_path / "agents")}
    code = "import sys; kept = [open('/dev/null') for _ in range(50)]; print(1, flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    client = AgentClient(tmp_path / "agents")
    try:
        assert process.stdout is not None
        process.stdout.readline()
        cost = client.request(process.pid, "read", timeout=2 * PATIENCE_S)["cost"]
        assert 0.0 < cost["births"] < cost["cpu"]
        assert 0.0 < cost["thread"] < cost["cpu"]
        assert cost["heap"] is None or cost["heap"] < cost["cpu"]
    finally:
        client.close()
        process.kill()
        process.communicate()


def test_the_longest_pause_counts_the_walk_for_holders_and_has_its_cause(store: Store) -> None:
    """Readings that took 1.2 ms at most, and one pass of 70 ms over the heap at the end."""
    walk = EventRow("holders", 478.0, 478.0, {"process": "100:main", "holders": [], "pause_ms": 70.0})
    report = compute(store, make_run(store, Plan(extra=[walk])))
    assert report["observer"]["longest_pause_ms"] == 70.0
    assert report["observer"]["pauses_ms"]["holders"] == 70.0
    assert report["observer"]["pauses_ms"]["reading"] < 2.0
    assert "longest pause 70 ms (retention paths)" in " ".join(render(report, "text").split())


def test_what_a_reading_left_out_is_told_in_few_lines() -> None:
    """How the agent got in comes first, then the first three warnings; a run of before has no parts of its pause."""
    observer = {"heap": "off", "target_bytes": None, "longest_pause_ms": 3.0, "target_cpu_ratio": None}
    observer |= {"daemon_cpu_percent": None, "notes": ["let in"], "warnings": ["a", "b", "c", "d"]}
    assert agent_notes(observer) == ["let in", "a", "b", "c"]
    assert observer_line(observer) == "Observer: heap off, longest pause 3 ms."
