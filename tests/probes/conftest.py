"""Real guests to look at, and a way to wait for what they do."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from soak_probes import Observer, ProcessTree, Reading, start_time_of


class Guest:
    """A Python process that ran some code, said a line, and now waits for its stdin to close."""

    def __init__(self, code: str) -> None:
        script = textwrap.dedent(code) + "\nimport sys\nprint('ready', flush=True)\nsys.stdin.readline()\n"
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
