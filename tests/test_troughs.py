"""The agents of a target: met once, left out of the counts, forgotten when their process is gone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import soak_agent
import soak_heap
from soak import troughs
from soak.config import AgentConfig
from soak.troughs import Moment, TroughReader
from soak_probes import Process, ProcessTree, start_time_of
from soak_probes.agent_client import AgentError
from soak_storage.records import EventRow, ReadingRow, SampleRow
from tests.common import PATIENCE_S, wait_until

LIBRARY = Path(soak_heap.__file__).with_name("_soak_heap.so")


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent answers within milliseconds, and on a busy machine within seconds: that is not what is tested."""
    monkeypatch.setattr(troughs, "MARK_PATIENCE", PATIENCE_S)
    monkeypatch.setattr(troughs, "PATIENCE", PATIENCE_S)


@pytest.fixture
def target(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A Python process with an agent in it."""
    env = {**os.environ, **soak_agent.environment(tmp_path / "agents", heap="off")}
    process = subprocess.Popen([sys.executable, "-c", "input()"], env=env, stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


def met(reader: TroughReader, process: subprocess.Popen[bytes]) -> list[Process]:
    """The process, as soon as its agent has answered."""
    tree = ProcessTree([(process.pid, start_time_of(process.pid) or 0)])
    wait_until(lambda: reader.meet(tree.refresh()))
    return tree.processes


def sockets(pid: int | str = "self") -> set[str]:
    """The sockets that a process holds, as socket:[INODE]."""
    links = set()
    for number in os.listdir(f"/proc/{pid}/fd"):
        with suppress(FileNotFoundError):  # the listing's own, and what is closed meanwhile
            links.add(os.readlink(f"/proc/{pid}/fd/{number}"))
    return {link for link in links if link.startswith("socket:")}


def test_the_connection_to_a_process_that_is_gone_is_closed(tmp_path: Path, target: subprocess.Popen[bytes]) -> None:
    """A target that recycles its workers all night does not fill soak with sockets."""
    reader = TroughReader(tmp_path / "agents", AgentConfig())
    before = sockets()
    met(reader, target)
    (connection,) = sockets() - before
    assert reader.meet([]) == {}
    assert connection not in sockets()


def test_an_agent_that_does_not_answer_is_a_gap_and_is_met_anew(
    tmp_path: Path, target: subprocess.Popen[bytes]
) -> None:
    """Its next connection is another socket in the target, so what is left out of the counts is asked for again."""
    reader = TroughReader(tmp_path / "agents", AgentConfig(holders=False))
    processes = met(reader, target)
    (first,) = reader.hellos
    reader.client.drop(target.pid)
    (tmp_path / "agents" / f"{target.pid}.sock").rename(tmp_path / "agents" / "away")
    assert not list(reader.start(Moment(1.0, 0, 0), processes))
    gaps = list(reader.finish(1.0, []))
    assert [row.detail["why"] for row in gaps if isinstance(row, EventRow)] == ["agent_silent"]
    assert reader.meet(processes) == {}
    (tmp_path / "agents" / "away").rename(tmp_path / "agents" / f"{target.pid}.sock")
    met(reader, target)
    (second,) = reader.hellos
    assert first["inodes"] != second["inodes"]
    reader.close()


def test_a_connection_that_a_late_answer_cost_is_left_out_too(
    tmp_path: Path, target: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent that is too slow to be told the cycle is hung up on: what counts is the connection that comes after."""
    reader = TroughReader(tmp_path / "agents", AgentConfig(holders=False))
    ask = reader.client.request

    def late(pid: int, op: str, *, timeout: float = PATIENCE_S, **args: object) -> dict[str, Any]:
        if op == "mark":
            reader.client.drop(pid)
            raise AgentError("it did not answer in time")
        return ask(pid, op, timeout=timeout, **args)

    monkeypatch.setattr(reader.client, "request", late)
    processes = met(reader, target)
    (hello,) = reader.hellos
    assert not list(reader.start(Moment(1.0, 0, 0), processes))
    assert [row.cycle for row in reader.finish(1.0, []) if isinstance(row, ReadingRow)] == [0]
    left_out = {f"socket:[{inode}]" for inode in hello["inodes"]}
    wait_until(lambda: sockets(target.pid) <= left_out)  # the target has none of its own
    reader.close()


def test_a_reading_that_has_not_ended_leaves_a_gap(tmp_path: Path, target: subprocess.Popen[bytes]) -> None:
    """A trough that comes while the last reading is under way is not read, and that is stored."""
    reader = TroughReader(tmp_path / "agents", AgentConfig(holders=False))
    processes = met(reader, target)
    assert not list(reader.start(Moment(1.0, 0, 0), processes))
    gaps = list(reader.start(Moment(2.0, 1, 0), processes))
    assert [row.detail["why"] for row in gaps if isinstance(row, EventRow)] == ["last_reading_not_ended"]
    rows = list(reader.finish(2.0, []))
    assert [row.cycle for row in rows if isinstance(row, ReadingRow)] == [0]
    reader.close()


@pytest.mark.parametrize(
    ("inside", "outside", "total"),
    [(3, {}, 3.0), (3, {"tmp_files": 5.0}, 5.0), (3, {"tmp_files": 2.0}, 3.0), (None, {"tmp_files": 5.0}, None)],
)
def test_temporary_files_that_only_one_side_sees_count(
    tmp_path: Path,
    target: subprocess.Popen[bytes],
    monkeypatch: pytest.MonkeyPatch,
    inside: int | None,
    outside: dict[str, float],
    total: float | None,
) -> None:
    """The larger of both; none where the agent does not know how many there are."""
    reader = TroughReader(tmp_path / "agents", AgentConfig(holders=False))
    processes, ask = met(reader, target), reader.client.request

    def answer(pid: int, op: str, *, timeout: float = PATIENCE_S, **args: object) -> dict[str, Any]:
        return {**ask(pid, op, timeout=timeout, **args), "tmp_files": inside}

    monkeypatch.setattr(reader.client, "request", answer)
    assert not list(reader.start(Moment(1.0, 0, 0, outside), processes))
    rows = [row for row in reader.finish(1.0, []) if isinstance(row, SampleRow) and row.name == "tmp_files"]
    assert [row.value for row in rows if row.process == "total"] == ([] if total is None else [total])
    reader.close()


BORN = """
kept = [bytearray(300_000) for _ in range(10)]
print(0, flush=True)
input()
more = [bytearray(300_000) for _ in range(10)]
print(1, flush=True)
input()
"""


@pytest.mark.skipif(not LIBRARY.exists(), reason="the heap sampler was not built here: no C compiler")
def test_what_was_there_before_the_load_is_of_no_cycle(tmp_path: Path) -> None:
    """Start-up is cycle -1, what comes after the agent was met belongs to the cycle of that moment."""
    env = {**os.environ, **soak_agent.environment(tmp_path / "agents", heap="sampler", interval=16384)}
    process = subprocess.Popen(
        [sys.executable, "-c", BORN], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    assert process.stdin is not None and process.stdout is not None
    reader = TroughReader(tmp_path / "agents", AgentConfig(holders=False))
    try:
        process.stdout.readline()  # the agent answers before the program has begun
        processes = met(reader, process)
        process.stdin.write(b"\n")
        process.stdout.readline()
        list(reader.start(Moment(1.0, 0, 0), processes))
        (reading,) = [row for row in reader.finish(1.0, []) if isinstance(row, ReadingRow)]
        births = {cycle: size for site in reading.sites[:2] for cycle, size in site.births.items()}
        assert set(births) == {-1, 0}
        assert all(2_000_000 < size < 4_000_000 for size in births.values())
    finally:
        process.kill()
        process.communicate()
        reader.close()


DISPLACED = (
    "import sys, tracemalloc; tracemalloc.start(); print(flush=True); input(); "
    "tracemalloc.stop(); print(flush=True); input()"
)


@pytest.mark.skipif(not LIBRARY.exists(), reason="the heap sampler was not built here: no C compiler")
def test_a_sampler_whose_hooks_were_taken_off_begins_a_new_segment(tmp_path: Path) -> None:
    """tracemalloc was there first and puts back what it found: what is sampled from then on is not compared."""
    env = {**os.environ, **soak_agent.environment(tmp_path / "agents", heap="off")}
    command = [sys.executable, "-c", DISPLACED]
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as target:
        reader = TroughReader(tmp_path / "agents", AgentConfig(holders=False))
        assert target.stdin and target.stdout
        target.stdout.readline()  # it traces: the agent is there before the first line of the target
        processes = met(reader, target)
        assert reader.client.request(target.pid, "heap", mode="sampler")["heap_mode"] == "sampler"
        assert not kinds(reader, processes, 1)
        target.stdin.write(b"\n")
        target.stdin.flush()
        target.stdout.readline()
        assert kinds(reader, processes, 2) == ["sampler_restarted"]
        assert not kinds(reader, processes, 3)
        target.kill()
        reader.close()


def kinds(reader: TroughReader, processes: list[Process], cycle: int) -> list[str]:
    """The events of one reading."""
    assert not list(reader.start(Moment(float(cycle), cycle, 0), processes))
    return [row.kind for row in reader.finish(float(cycle), []) if isinstance(row, EventRow)]
