"""Where does the target break? Judges each step of the capacity profile, and the recovery after the last one.

Pure: deltas in, judgement out. The limits are those of the written plan this replaces (+10 % a step until errors are
above 1 %, p99 above 1,000 ms or memory above 95 %).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from soak.load.histogram import Histogram
from soak.load.shapes import Shape
from soak.load.tally import LoadDelta

ERROR_SHARE = 0.01
P99_S = 1.0
MEMORY_SHARE = 0.95
ENOUGH = 100  # requests before a step is judged: 1 % of fewer would be a single one


@dataclass(frozen=True, slots=True)
class Breaking:
    """The step at which the target broke: its rate, when and why, and the last rate that it carried."""

    cycle: int
    t: float
    rate: float
    carried: float | None  # requests/s of the step before; None when the first one broke it
    reason: str  # "errors", "p99" or "memory"
    measured: float  # share of errors, seconds, or share of memory


@dataclass(slots=True)
class _Step:
    due: int = 0
    bad: int = 0
    response: Histogram = field(default_factory=Histogram)


class CapacityWatch:
    """Takes all deltas of a capacity run; `breaking` is None until the target breaks."""

    def __init__(self, shape: Shape, cycle: float) -> None:
        self._shape = shape
        self._cycle = cycle
        self._steps: dict[int, _Step] = {}
        self._last_bad: float | None = None
        self._until = 0.0
        self.breaking: Breaking | None = None

    def add(self, deltas: Iterable[LoadDelta]) -> None:
        """What was reported; judges the steps that changed."""
        for delta in deltas:
            self._until = max(self._until, delta.t1)
            if self.breaking is not None:
                self._recovering(delta)
                continue
            step = self._steps.setdefault(delta.cycle, _Step())
            step.due += delta.due
            step.bad += delta.failed + delta.withheld
            step.response.merge(delta.response)
            self._judge(delta.cycle, step, delta.t1)
            self._steps.pop(delta.cycle - 3, None)

    def memory(self, t: float, share: float) -> None:
        """The target uses this share of the memory that it may use."""
        if share > MEMORY_SHARE:
            self._break(int(t // self._cycle), t, "memory", share)

    def _judge(self, cycle: int, step: _Step, t: float) -> None:
        if step.due < ENOUGH:
            return
        p99 = step.response.quantile(0.99)
        if step.bad > ERROR_SHARE * step.due:
            self._break(cycle, t, "errors", step.bad / step.due)
        elif p99 is not None and p99 > P99_S and step.response.count >= ENOUGH:
            self._break(cycle, t, "p99", p99)

    def _break(self, cycle: int, t: float, reason: str, measured: float) -> None:
        if self.breaking is None:
            rate = self._shape.rate(cycle * self._cycle)
            carried = self._shape.rate((cycle - 1) * self._cycle) if cycle else None
            self.breaking = Breaking(cycle, t, rate, carried, reason, measured)

    def _recovering(self, delta: LoadDelta) -> None:
        """A request that was due before the target broke says nothing about after."""
        p99 = delta.response.quantile(0.99)
        if delta.failed or delta.withheld or (p99 is not None and p99 > P99_S):
            self._last_bad = max(self._last_bad or 0.0, delta.t1)

    @property
    def recovery_s(self) -> float | None:
        """Seconds from the breaking to the last second with an error or a slow answer; None while nothing is known.

        A target that is still bad in the last five seconds has not recovered: None as well.
        """
        if self.breaking is None or self._until < self.breaking.t + 5:
            return None
        last = self._last_bad or self.breaking.t
        return None if self._until - last < 5 else last - self.breaking.t

    def to_json(self) -> dict[str, Any] | None:
        """The breaking point as plain values; None when the target did not break."""
        if self.breaking is None:
            return None
        found = self.breaking
        return {
            "cycle": found.cycle,
            "t": found.t,
            "rate": found.rate,
            "carried_rate": found.carried,
            "reason": found.reason,
            "measured": found.measured,
            "recovery_seconds": self.recovery_s,
            "sentence": self.sentence(),
        }

    def sentence(self) -> str:
        """The finding in words."""
        if self.breaking is None:
            return "the target did not break"
        found, why = self.breaking, self.breaking.reason
        unit = {"errors": f"{found.measured:.1%} errors", "p99": f"p99 {found.measured * 1e3:.0f} ms"}
        what = unit.get(why, f"memory {found.measured:.0%}")
        carried = "the first step" if found.carried is None else f"it carried {found.carried:.3g}"
        recovery = self.recovery_s
        after = "not recovered" if recovery is None else f"recovered {recovery:.1f} s after"
        return f"broke at {found.rate:.3g} requests/s ({carried}) with {what}; {after}"
