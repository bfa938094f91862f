"""Looks at the target from outside at fixed moments and turns what it sees into rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from soak_probes import NO_RIGHTS, Excluded, Observer, Process, ProcessTree
from soak_probes.slots import Recycled
from soak_storage.records import EventRow, ProcessRow, Record, SampleRow

GATING = frozenset({"rss", "pss", "fds", "sockets", "threads", "children", "tmp_files"})
FROM_INSIDE = frozenset({"tmp_files", "tmp_bytes"})  # where there is an agent they are a series of its readings
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
        self._seen: dict[tuple[int, int], ProcessRow] = {}
        self._refused: set[str] = set()
        self.rss: float | None = None
        self.outside: dict[str, float] = {}  # what of FROM_INSIDE the last deep look saw
        self.busiest = 0.0  # the most of a core that the target took between two samples

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

    def rebase(self, roots: Sequence[tuple[int, int]], reaper_pid: int | None = None) -> None:
        """The target was restarted: go on with its new processes, and look at them at once."""
        self._observer.rebase(roots, reaper_pid)
        self._tree.refresh()

    def take_recycled(self) -> list[Recycled]:
        """The workers that were replaced since the last call."""
        return self._tree.take_recycled()

    def sample(self, t: float, segment: int, *, deep: bool = False) -> Iterator[Record]:
        """One look at run time `t`; when looks were missed, their gap goes before it.

        `deep` reads what is dear as well, whatever it costs: for the trough. The series of single processes are kept
        only when there are several: those of an only process are the totals.
        """
        if self._last is not None and t - self._last > LATE * self._interval:
            yield EventRow("gap", self._last, t, {"why": "samples_late"})
        self._next = int(t // self._interval) + 1
        known = len(self._refused)
        if deep:
            self.outside = {}
        for reading in self._observer.sample(deep=deep, details=len(self.processes) > 1):
            if self._agents and reading.name in FROM_INSIDE:
                if reading.value is not None and reading.process == "total":
                    self.outside[reading.name] = reading.value
                continue
            gates = reading.process == "total" and reading.name in GATING
            if reading.value is None and reading.process == "total" and (reading.why or "").endswith(NO_RIGHTS):
                self._refused.add(reading.name)
            yield SampleRow(t, reading.name, reading.unit, reading.value, reading.process, reading.cost_us, gates)
            if reading.name == "cpu" and reading.process == "total" and self._last is not None:
                self.busiest = max(self.busiest, reading.value or 0.0)
            if reading.name == "rss" and gates:
                self.rss = reading.value
        if len(self._refused) > known:
            yield EventRow("refused", t, None, {"series": sorted(self._refused), "why": NO_RIGHTS}, key="target")
        before, self._last = self._last or 0.0, t
        yield from self._processes(t, before, segment)

    def _processes(self, t: float, before: float, segment: int) -> Iterator[ProcessRow]:
        """A row for a process when it is first seen, and another when it is gone."""
        present = {process.key: process for process in self.processes}
        for key, process in present.items():
            if key not in self._seen:
                self._seen[key] = _row(process, t, segment)
                yield self._seen[key]
        for key in self._seen.keys() - present.keys():
            yield replace(self._seen.pop(key), last_t=before)

    def last_seen(self) -> Iterator[ProcessRow]:
        """A row for each process that was there at the last sample; for the end of a run."""
        for row in self._seen.values():
            yield replace(row, last_t=self._last or row.last_t)

    def close(self) -> None:
        """Let go of the files of /proc."""
        self._observer.close()


def _row(process: Process, t: float, segment: int) -> ProcessRow:
    return ProcessRow(
        pid=process.pid,
        start_time=process.start_time,
        role=process.role,
        first_t=t,
        last_t=t,
        segment=segment,
        name=process.name,
        cmdline=process.cmdline,
    )
