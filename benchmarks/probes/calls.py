"""us of CPU per reading of one process, ours and psutil's, in the same interpreter."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import psutil

from benchmarks.quick import sized
from soak_probes import Observer, ProcessTree, start_time_of
from soak_probes.process import Process
from soak_probes.sockdiag import SocketStates
from soak_probes.view import Moment, View

ROUNDS = sized(15, 3)
_NO_NEED = sized(0.25, 0.02)  # seconds of calls of one kind; with 5,000 descriptors psutil takes 0.4 s for a single one


@dataclass(frozen=True, slots=True)
class Cost:
    """Median us of CPU of one reading, ours and psutil's (None where psutil has no such call)."""

    reading: str
    ours: float
    psutil: float | None


def measure(pid: int) -> list[Cost]:
    """Every reading of one process, warm: files are open, caches of psutil's Process are as they are in a loop."""
    theirs = psutil.Process(pid)
    with closing(ProcessTree([(pid, start_time_of(pid) or 0)])) as tree, closing(SocketStates()) as states:
        process = tree.refresh()[0]
        looking = _Looking(tree, states, process)
        pairs: list[tuple[str, Callable[[], object], Callable[[], object]]] = [
            (
                "threads, cpu, children",
                tree.refresh,
                lambda: _together(
                    theirs, psutil.Process.num_threads, psutil.Process.cpu_times, psutil.Process.children
                ),
            ),
            ("rss", lambda: process.files.pread("statm"), theirs.memory_info),
            ("uss, pss, swap", looking.rollup, theirs.memory_full_info),
            ("descriptors, count", looking.count, theirs.num_fds),
            ("descriptors by kind", looking.table, theirs.open_files),
            ("sockets by state", looking.sockets, theirs.net_connections),
        ]
        costs = [Cost(name, _median(ours), _median(its)) for name, ours, its in pairs]
    with closing(Observer(ProcessTree([(pid, start_time_of(pid) or 0)]))) as observer:
        observer.sample(deep=True)
        costs.append(Cost("a whole sample", _median(lambda: observer.sample(details=False)), None))
        costs.append(Cost("a whole sample, deep", _median(lambda: _anew(observer)), _median(lambda: _all(theirs))))
        # Descriptors are read one by one again only when their number moved, also when the sample is a deep one.
        same = _median(lambda: observer.sample(deep=True, details=False))
        costs.append(Cost("deep, same descriptors", same, None))
    return costs


def _anew(observer: Observer) -> object:
    """A deep sample that reads every descriptor, as psutil does each time."""
    for process in observer.processes:
        process.memory.pop("fd_table", None)
    return observer.sample(deep=True, details=False)


class _Looking:
    """Reads what a view would read, without what it remembers."""

    def __init__(self, tree: ProcessTree, states: SocketStates, process: Process) -> None:
        self._moment = Moment(tree, states, now=0.0, boot=0.0)
        self._process = process

    def rollup(self) -> object:
        return View(self._process, self._moment).rollup()

    def count(self) -> object:
        return View(self._process, self._moment).fd_count()

    def table(self) -> object:
        self._process.memory.clear()
        return View(self._process, self._moment).fd_table()

    def sockets(self) -> object:
        self._moment.namespaces.clear()
        return View(self._process, self._moment).socket_states()


def _all(process: psutil.Process) -> object:
    known = psutil.Process
    first = (known.memory_full_info, known.cpu_times, known.num_threads, known.num_fds)
    return _together(process, *first, known.open_files, known.net_connections, known.children)


def _together(process: psutil.Process, *facts: Callable[[psutil.Process], object]) -> object:
    """Several facts of a process as psutil has them read: files that hold more than one are read once."""
    with process.oneshot():
        return [fact(process) for fact in facts]


def _median(call: Callable[[], object]) -> float:
    """Median us of CPU of a call, over at most ROUNDS rounds of as many calls as take about a millisecond."""
    call()
    times: list[float] = []
    began = time.process_time()
    repeat = 1
    while len(times) < ROUNDS and (time.process_time() - began < _NO_NEED or not times):
        before = time.process_time()
        for _ in range(repeat):
            call()
        took = time.process_time() - before
        times.append(took / repeat * 1e6)
        repeat = max(1, min(1000, int(1e-3 / max(took / repeat, 1e-6))))
    return statistics.median(times[1:] or times)


def kernel() -> str:
    """The kernel these figures hold for."""
    return f"Linux {os.uname().release}"
