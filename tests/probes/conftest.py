"""Real guests to look at, and a way to wait for what they do."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import closing

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
