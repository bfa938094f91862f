"""Keeps the books of the load: turns the generator's deltas into windows, and into sums for each cycle and scenario."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from soak.load import Histogram, LoadDelta
from soak_storage.records import EventRow, LoadCycleRow, LoadWindowRow, Record

REMEMBERED = 512  # windows at most, whatever the number of workers and scenarios
REMEMBERED_MS = 10_000  # of run time: workers report every second


@dataclass(slots=True)
class _Sums:
    """What one scenario did in one cycle so far."""

    due: int = 0
    sent: int = 0
    landed: int = 0
    dropped: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    faulted: Counter[str] = field(default_factory=Counter)
    withheld: int = 0
    lateness: Histogram = field(default_factory=Histogram)
    service: Histogram = field(default_factory=Histogram)
    response: Histogram = field(default_factory=Histogram)
    limited: bool = False

    def add(self, delta: LoadDelta) -> None:
        self.due += delta.due
        self.sent += delta.sent
        self.landed += delta.landed
        self.dropped += delta.dropped
        self.errors.update(delta.errors)
        self.checks.update(delta.checks)
        self.faulted.update(delta.faulted)
        self.withheld += delta.withheld
        self.lateness.merge(delta.lateness)
        self.service.merge(delta.service)
        self.response.merge(delta.response)
        self.limited = self.limited or delta.limited

    def row(self, cycle: int, scenario: str) -> LoadCycleRow:
        return LoadCycleRow(
            cycle=cycle,
            scenario=scenario,
            due=self.due,
            sent=self.sent,
            landed=self.landed,
            failed=self.errors.total(),
            dropped=self.dropped,
            errors=dict(self.errors),
            lateness=self.lateness.to_bytes(),
            service=self.service.to_bytes(),
            response=self.response.to_bytes(),
            limited=self.limited,
            checks=dict(self.checks),
            detail={"faulted": dict(self.faulted), "withheld": self.withheld},
        )


class LoadBook:
    """Sums deltas by cycle and scenario; only cycles that may still change are held in memory."""

    def __init__(self, cycle_seconds: float, quiet_seconds: float, window_seconds: float = 1.0) -> None:
        """Windows are as long as the generator's deltas (a second) or `window_seconds`, whichever is longer."""
        self._cycle_seconds = cycle_seconds
        self._loaded = cycle_seconds - quiet_seconds
        self._window_seconds = window_seconds
        self._open: dict[tuple[int, str], _Sums] = {}
        self._windows: dict[tuple[str, int], LoadWindowRow] = {}
        self._begun: dict[tuple[str, int], None] = {}  # scenario and millisecond of the last windows
        self.due = 0
        self.landed = 0
        self.failed = 0

    def add(self, deltas: Sequence[LoadDelta]) -> Iterator[Record]:
        """The windows and outages in `deltas`, as rows; the sums by cycle come from `close`."""
        for delta in deltas:
            self._open.setdefault((delta.cycle, delta.scenario), _Sums()).add(delta)
            self.due += delta.due
            self.landed += delta.landed
            self.failed += delta.failed
            yield from self._windowed(delta)
            for begin, until, why in delta.gaps:
                yield EventRow("gap", begin, until, {"why": "load_worker_died", "detail": why})
            for begin, end, why in delta.outages:
                detail = {"why": why, "scenario": delta.scenario}
                yield EventRow("outage", begin, end, detail, key=f"{delta.scenario}@{begin:.3f}")

    def _windowed(self, delta: LoadDelta) -> Iterator[LoadWindowRow]:
        """The window that `delta` completes or that ended before it; empty deltas leave no row."""
        if not (delta.due or delta.sent or delta.arrived or delta.failed or delta.dropped):
            return
        key = delta.scenario, delta.worker
        new, last = self._window(delta), self._windows.pop(key, None)
        if last is not None and (last.cycle, last.phase) == (new.cycle, new.phase):
            new = _joined(last, new)
        elif last is not None:
            yield self._apart(last)
        if new.t1 - new.t0 >= self._window_seconds:
            yield self._apart(new)
        else:
            self._windows[key] = new

    def _apart(self, window: LoadWindowRow) -> LoadWindowRow:
        """The window, a millisecond later for each one of its scenario that another worker began in the same one.

        The store knows windows by scenario and millisecond: two workers that begin together would overwrite each other.
        """
        begin = round(window.t0 * 1e3)
        while (window.scenario, begin) in self._begun:
            begin += 1
        self._begun[window.scenario, begin] = None
        while len(self._begun) > REMEMBERED or next(iter(self._begun))[1] < begin - REMEMBERED_MS:
            del self._begun[next(iter(self._begun))]
        return window if begin == round(window.t0 * 1e3) else replace(window, t0=begin / 1e3)

    def _window(self, delta: LoadDelta) -> LoadWindowRow:
        return LoadWindowRow(
            t0=delta.t0,
            t1=delta.t1,
            cycle=delta.cycle,
            phase="load" if delta.t0 % self._cycle_seconds < self._loaded else "quiet",
            scenario=delta.scenario,
            due=delta.due,
            sent=delta.sent,
            landed=delta.landed,
            failed=delta.failed,
            dropped=delta.dropped,
            limited=delta.limited,
        )

    def windows(self) -> Iterator[LoadWindowRow]:
        """The windows that are not full yet; for the end of a run."""
        yield from map(self._apart, self._windows.values())
        self._windows.clear()

    def unanswered(self, cycle: int) -> str | None:
        """The usual kind of error of a cycle in which requests failed and not one was answered, by any scenario."""
        sums = [one for (number, _), one in self._open.items() if number == cycle]
        errors = sum((one.errors for one in sums), Counter[str]())
        if not errors or any(one.landed or one.faulted for one in sums):
            return None
        return errors.most_common(1)[0][0]

    def close(self, before: int | None = None) -> Iterator[LoadCycleRow]:
        """The sums of cycles below `before` (all, when None); they leave the memory.

        The row of a cycle is written again when a late delta for it arrives: the store keeps the later one, so the
        sums of the cycle just ended stay here for one cycle more.
        """
        for cycle, scenario in sorted(self._open):
            if before is None or cycle < before:
                yield self._open[cycle, scenario].row(cycle, scenario)
        self._open = {key: sums for key, sums in self._open.items() if before is not None and key[0] >= before - 1}


def _joined(first: LoadWindowRow, second: LoadWindowRow) -> LoadWindowRow:
    return replace(
        first,
        t1=second.t1,
        due=first.due + second.due,
        sent=first.sent + second.sent,
        landed=first.landed + second.landed,
        failed=first.failed + second.failed,
        dropped=first.dropped + second.dropped,
        limited=first.limited or second.limited,
    )
