"""Real guests to look at and a way to wait for what they do, and a /proc on disk."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from soak_probes import Observer, ProcessTree, Reading, start_time_of

# Two children that end with stdin. They must not be told anything: who of them reads the line is not known.
FORK = """
import os, sys
for _ in range(2):
    if os.fork() == 0:
        sys.stdin.readline(); os._exit(0)
"""
# Told by lines and not by signals: a handler that prints can come upon the print of "ready", and then breaks.
THEN = """
import sys
print("ready", flush=True)
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""


STAT = "{pid} ({name}) {state} {ppid} 0 0 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 {threads} 0 {start} 0 10\n"


class Guest:
    """A Python process that ran some code and now waits to be told more, until its stdin is closed."""

    def __init__(self, code: str) -> None:
        script = textwrap.dedent(code) + THEN
        self.process = subprocess.Popen(
            [sys.executable, "-S", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.said = []
        while (line := self.process.stdout.readline().strip()) != "ready":
            assert line, "the guest ended before it was ready"
            self.said.append(line)
        self.pid = self.process.pid
        start_time = start_time_of(self.pid)
        assert start_time is not None
        self.key = (self.pid, start_time)

    def do(self, line: str) -> None:
        """Have it run one line of code, and come back when it has."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def close(self) -> None:
        """End it; what it forked must end with its stdin."""
        self.process.kill()
        self.process.communicate()


class FakeProc:
    """A /proc on disk in which pids can be given away again."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def add(self, pid: int, ppid: int, start: int, *, children: str = "", threads: int = 1, state: str = "S") -> None:
        """A process; adding the same pid again is the kernel giving the number to another one."""
        task = self.root / str(pid) / "task" / str(pid)
        task.mkdir(parents=True, exist_ok=True)
        (task / "children").write_text(children)
        (task.parent.parent / "cmdline").write_bytes(f"program{start}\0".encode())
        line = STAT.format(pid=pid, name="p", state=state, ppid=ppid, ticks=0, threads=threads, start=start)
        (task.parent.parent / "stat").write_text(line)

    def tree(self, pid: int, start: int) -> ProcessTree:
        """A tree that begins with this process."""
        return ProcessTree([(pid, start)], proc_root=str(self.root))


@pytest.fixture
def proc(tmp_path: Path) -> FakeProc:
    """An empty /proc."""
    return FakeProc(tmp_path)


@pytest.fixture
def guest() -> Iterator[Callable[[str], Guest]]:
    """Start guests that end with the test."""
    started: list[Guest] = []

    def start(code: str) -> Guest:
        started.append(Guest(code))
        return started[-1]

    yield start
    for one in started:
        one.close()


def values(readings: list[Reading], process: str = "total") -> dict[str, float | None]:
    """series -> value of one process, or of the total."""
    return {reading.name: reading.value for reading in readings if reading.process == process}


def look(tree: ProcessTree) -> dict[str, float | None]:
    """The totals of one full sample."""
    with closing(Observer(tree)) as observer:
        return values(observer.sample(deep=True))
