"""Looks at the target from outside at fixed moments and turns what it sees into rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from soak_probes import Excluded, Observer, Process, ProcessTree
from soak_storage.records import EventRow, ProcessRow, Record, SampleRow

GATING = frozenset({"rss", "pss", "fds", "sockets", "threads", "children", "tmp_files"})
FROM_INSIDE = frozenset({"tmp_files", "tmp_bytes"})  # an agent knows them exactly, from outside they are a lower bound
LATE = 2.0  # a sample that comes later than this many intervals leaves a gap that is recorded


class Sampler:
    """Samples at whole multiples of `interval` seconds of run time; what was missed is a gap, never filled in."""

    def __init__(self, tree: ProcessTree, interval: float, group: Path | None = None) -> None:
        """`interval` in seconds; `group`: the folder of the control group that is the target's alone, if any."""
        self._tree = tree
        self._observer = Observer(tree, group=group)
        self._interval = interval
        self._agents = False
        self._next = 0
        self._last: float | None = None
        self._seen: dict[tuple[int, int], float] = {}
        self.rss: float | None = None

    @property
    def due(self) -> float:
        """When the next sample is due, in seconds of run time."""
        return self._next * self._interval

    @property
    def processes(self) -> Sequence[Process]:
        """The target's processes at the last sample."""
        return self._tree.processes

    def exclude(self, excluded: Mapping[int, Excluded]) -> None:
        """What inside each process is not the target's."""
        self._observer.exclude = excluded
        self._agents = bool(excluded)

    def rebase(self, roots: Sequence[tuple[int, int]]) -> None:
        """The target was restarted: go on with its new processes."""
        self._observer.rebase(roots)

    def sample(self, t: float, segment: int, *, deep: bool = False) -> Iterator[Record]:
        """One look at run time `t`; when looks were missed, their gap goes before it.

        `deep` reads what is dear as well, whatever it costs: for the trough. The series of single processes are kept
        only when there are several: those of an only process are the totals.
        """
        if self._last is not None and t - self._last > LATE * self._interval:
            yield EventRow("gap", self._last, t, {"why": "samples_late"})
        self._next = int(t // self._interval) + 1
        for reading in self._observer.sample(deep=deep, details=len(self.processes) > 1):
            if self._agents and reading.name in FROM_INSIDE:
                continue
            gates = reading.process == "total" and reading.name in GATING
            yield SampleRow(t, reading.name, reading.unit, reading.value, reading.process, reading.cost_us, gates)
            if reading.name == "rss" and gates:
                self.rss = reading.value
        self._last = t
        yield from self._processes(t, segment)

    def _processes(self, t: float, segment: int) -> Iterator[ProcessRow]:
        """A row for a process when it is first seen, and another when it is gone."""
        present = {process.key: process for process in self.processes}
        for key, process in present.items():
            if key not in self._seen:
                self._seen[key] = t
                yield _row(process, t, t, segment)
        for key in self._seen.keys() - present.keys():
            del self._seen[key]

    def close(self) -> None:
        """Let go of the files of /proc."""
        self._observer.close()


def _row(process: Process, first: float, last: float, segment: int) -> ProcessRow:
    return ProcessRow(
        pid=process.pid,
        start_time=process.start_time,
        role=process.role,
        first_t=first,
        last_t=last,
        segment=segment,
        name=process.name,
        cmdline=process.cmdline,
    )
