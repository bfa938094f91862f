"""Floors kept while samples come in, so that a day of them need not be held or read again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from soak.analysis.floors import Floats, Floors, Summary, as_series, floors_from, summarise
from soak.analysis.judge import check, judge_floors
from soak.analysis.results import Kind, Verdict


class FloorKeeper:
    """Keeps the samples of the running cycle and a summary of each finished one.

    `judge` gives what `soak.analysis.judge` gives over everything that was added.
    """

    def __init__(self, cycle_seconds: float, trough: float = 0.85) -> None:
        check(cycle_seconds, 0.0, trough)
        self._cycle_seconds = cycle_seconds
        self._trough = trough
        self._finished: list[Summary] = []
        self._running: list[tuple[Floats, Floats]] = []
        self._number: int | None = None
        self._last = -np.inf

    def add(self, times: object, values: object) -> None:
        """Take further samples, later than all before; seconds since the run began, NaN is a gap."""
        t, y, _ = as_series(times, values)
        if t.size == 0:
            return
        if t[0] < self._last:
            raise ValueError("times must be ascending")
        self._last = float(t[-1])
        numbers = np.floor(t / self._cycle_seconds).astype(np.int64)
        for number in np.unique(numbers).tolist():
            if self._number is not None and number != self._number:
                self._finish()
            self._number = number
            mine = numbers == number
            self._running.append((t[mine], y[mine]))

    def judge(
        self,
        limit_per_hour: float,
        kind: Kind = "bytes",
        quantum: float | None = None,
        restarts: Sequence[float] = (),
    ) -> Verdict:
        """The verdict so far."""
        check(self._cycle_seconds, limit_per_hour, self._trough)
        return judge_floors(self.floors(restarts), self._cycle_seconds, limit_per_hour, kind, quantum, restarts)

    def floors(self, restarts: Sequence[float] = ()) -> Floors:
        """The floors so far, the running cycle included as far as it has come."""
        summaries = [*self._finished, *([self._summary()] if self._running else [])]
        return floors_from(summaries, self._cycle_seconds, self._trough, restarts) if summaries else Floors((), False)

    def _finish(self) -> None:
        self._finished.append(self._summary())
        self._running = []

    def _summary(self) -> Summary:
        t = np.concatenate([part[0] for part in self._running])
        y = np.concatenate([part[1] for part in self._running])
        return summarise(self._number or 0, t, y, np.zeros_like(y), self._cycle_seconds, self._trough)
