"""What a report is computed from: everything stored about one run, read once.

Events are read by their kind: `gap` (soak did not sample), `outage` (the target refused the load), `restart`,
`exit` (detail: kind exit/signal/oom, code, message, expected), `ceiling`, `check`; others are ignored.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from soak.config.limits import Limits, limits_from_json
from soak_storage.records import (
    BucketRow,
    CycleRow,
    EventRow,
    LoadCycleRow,
    LoadWindowRow,
    ProcessRow,
    ReadingRow,
    RunInfo,
    SegmentRow,
    SeriesInfo,
    SiteSeries,
)

if TYPE_CHECKING:
    from soak_storage import Store

Floats = npt.NDArray[np.float64]
HOUR = 3600.0
TOTAL = "total"
# After the load stops the target still finishes what is in flight: that part of the quiet phase is no trough yet.
SETTLE_SHARE = 0.25
SETTLE_MOST_S = 30.0


@dataclass(frozen=True)
class RunData:
    """One run as it is stored. Times are seconds since it began."""

    store: Store
    run: RunInfo
    limits: Limits
    cycles: list[CycleRow]
    segments: list[SegmentRow]
    events: list[EventRow]
    processes: list[ProcessRow]
    load: list[LoadCycleRow]
    windows: list[LoadWindowRow]
    readings: list[ReadingRow]
    infos: list[SeriesInfo]
    _samples: dict[int, tuple[Floats, Floats]] = field(default_factory=dict)

    @property
    def cycle_seconds(self) -> float:
        """Length of one cycle."""
        return self.run.cycle_seconds

    @property
    def trough(self) -> float:
        """Phase (0 to 1) from which a cycle counts as quiet: when the load has stopped and things have settled."""
        quiet = self.run.quiet_seconds
        settle = min(SETTLE_SHARE * quiet, SETTLE_MOST_S)
        return min(max(1.0 - (quiet - settle) / self.cycle_seconds, 0.0), 0.99)

    @property
    def restarts(self) -> tuple[float, ...]:
        """Where a new segment begins: values before and after it are not compared."""
        return tuple(segment.t for segment in self.segments if segment.number > 0)

    @cached_property
    def complete(self) -> int:
        """Cycles that ran to the end of their quiet phase."""
        return sum(cycle.complete for cycle in self.cycles)

    @property
    def agent_mode(self) -> str:
        """How the heap was followed: sampler, tracemalloc or off; the mode of most readings."""
        modes = [reading.agent_mode for reading in self.readings]
        return max(set(modes), key=modes.count) if modes else "off"

    @cached_property
    def requests_per_hour(self) -> float | None:
        """Responses that arrived per hour of finished cycles; None without load."""
        landed = sum(row.landed for row in self.load)
        cycles = len({row.cycle for row in self.load})
        return landed / (cycles * self.cycle_seconds) * HOUR if landed and cycles else None

    def info(self, name: str, process: str = TOTAL) -> SeriesInfo | None:
        """The stored series of that name."""
        return next((info for info in self.infos if info.name == name and info.process == process), None)

    def samples(self, info: SeriesInfo) -> tuple[Floats, Floats]:
        """Times and values; NaN is a gap."""
        if info.id not in self._samples:
            times, values = self.store.samples(info.id)
            self._samples[info.id] = (_floats(times), _floats(values))
        return self._samples[info.id]

    def buckets(self, info: SeriesInfo) -> list[BucketRow]:
        """The thinned part of a series: as many as its `samples` begin with the means of."""
        return self.store.buckets(info.id)

    @cached_property
    def judged_readings(self) -> list[ReadingRow]:
        """Readings that may be compared: those of the run's own agent mode, not those of a confirmation after it."""
        return [reading for reading in self.readings if reading.agent_mode == self.agent_mode]

    @cached_property
    def sites(self) -> list[SiteSeries]:
        """Every allocating stack with what each reading said of it."""
        return self.store.sites(self.run.id)

    @cached_property
    def agent_bytes(self) -> tuple[Floats, Floats]:
        """What the agent and its tracer held in all processes together, per cycle; empty without readings."""
        rows = self.judged_readings
        return by_cycle((row.cycle, row.t, row.agent_bytes) for row in rows if row.agent_bytes is not None)

    def of_kind(self, *kinds: str) -> list[EventRow]:
        """The events of these kinds, by time."""
        return [event for event in self.events if event.kind in kinds]

    def config(self, *path: str) -> Any:
        """A value of the run's configuration; None where it has none."""
        value: Any = self.run.config
        for part in path:
            value = value.get(part) if isinstance(value, Mapping) else None
        return value


def read_run(store: Store, run_id: int | None) -> RunData:
    """Everything of one run (None: the latest); samples are read when they are asked for."""
    run = store.run(run_id)
    data = RunData(
        store=store,
        run=run,
        limits=limits_from_json(run.config),
        cycles=list(store.cycles(run.id)),
        segments=list(store.segments(run.id)),
        events=list(store.events(run.id)),
        processes=list(store.processes(run.id)),
        load=list(store.load_cycles(run.id)),
        windows=list(store.load_windows(run.id)),
        readings=list(store.readings(run.id)),
        infos=list(store.series(run.id)),
    )
    _add_inner_series(data)
    return data


# What the agent reads once per cycle, where the sampler did not store it as a series of its own.
_INNER = (("python_heap", "bytes", "traced_bytes"), ("gc_objects", "count", "gc_objects"), ("tasks", "count", "tasks"))


def _add_inner_series(data: RunData) -> None:
    for number, (name, unit, attribute) in enumerate(_INNER):
        rows = [(row.cycle, row.t, getattr(row, attribute)) for row in data.judged_readings]
        points = [(cycle, t, float(value)) for cycle, t, value in rows if value is not None]
        if points and data.info(name) is None:
            info = SeriesInfo(id=-1 - number, name=name, unit=unit, process=TOTAL, gates=False)
            data.infos.append(info)
            data._samples[info.id] = by_cycle(points)


def by_cycle(points: Iterable[tuple[int, float, float]]) -> tuple[Floats, Floats]:
    """Sums per cycle of (cycle, t, value), for what several processes hold together; times are of the last reading."""
    sums: dict[int, list[float]] = {}
    for cycle, t, value in points:
        entry = sums.setdefault(cycle, [t, 0.0])
        entry[0] = max(entry[0], t)
        entry[1] += value
    ordered = sorted(sums.values())
    return _floats(array("d", [t for t, _ in ordered])), _floats(array("d", [value for _, value in ordered]))


def _floats(values: array[float]) -> Floats:
    return np.frombuffer(values, dtype=np.float64) if len(values) else np.empty(0)
