"""The sums of a load run: what was due and what became of it, for each scenario, and the latencies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from soak.load.capacity import CapacityWatch
from soak.load.histogram import Histogram, merged
from soak.load.plan import LoadPlan
from soak.load.tally import LoadDelta

SCHEMA = "soak.load/1"
_COUNTS = ("due", "sent", "landed", "dropped", "withheld")
_LATENCIES = ("response", "service", "lateness", "first_message", "between_messages")


@dataclass(slots=True)
class Sums:
    """What one scenario (or all of them) did."""

    counts: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    faulted: Counter[str] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    latencies: dict[str, Histogram] = field(default_factory=lambda: {name: Histogram() for name in _LATENCIES})

    def add(self, delta: LoadDelta) -> None:
        """Add what a delta reports."""
        self.counts.update({name: getattr(delta, name) for name in _COUNTS})
        self.errors.update(delta.errors)
        self.faulted.update(delta.faulted)
        self.checks.update(delta.checks)
        for name, histogram in self.latencies.items():
            histogram.merge(getattr(delta, name))

    def to_json(self) -> dict[str, Any]:
        """Counts, and latencies in milliseconds (null where nothing was measured)."""
        latencies = {
            f"{name}_ms": {**histogram.percentiles_ms(), "count": histogram.count}
            for name, histogram in self.latencies.items()
            if histogram.count or name in ("response", "service", "lateness")
        }
        counts = {name: self.counts[name] for name in _COUNTS}
        tables = {"errors": dict(self.errors), "faulted": dict(self.faulted), "checks": dict(self.checks)}
        return {**counts, **tables, **latencies}


class Summary:
    """Adds up deltas; bounded by the number of scenarios and outages, not by the length of the run."""

    MAX_EVENTS = 1000  # outages and gaps kept by time; further ones are only counted

    def __init__(self, plan: LoadPlan) -> None:
        self.plan = plan
        self.scenarios = {scenario.name: Sums() for scenario in plan.scenarios}
        self.outages: dict[float, dict[str, Any]] = {}
        self.gaps: list[dict[str, Any]] = []
        self.worker_cpu_s = 0.0
        self.worker_rss = 0
        self.limited_s = 0.0
        self._limited_until: dict[int, float] = {}
        self.until = 0.0

    def add(self, deltas: Iterable[LoadDelta]) -> None:
        """Add deltas, in any order."""
        for delta in deltas:
            self.scenarios[delta.scenario].add(delta)
            self.worker_cpu_s += delta.worker_cpu_s
            self.worker_rss = max(self.worker_rss, delta.worker_rss)
            if delta.limited and self._limited_until.get(delta.worker, -1.0) < delta.t1:  # once for all its scenarios
                self._limited_until[delta.worker] = delta.t1
                self.limited_s += delta.t1 - delta.t0
            self.until = max(self.until, delta.t1)
            for start, end, why in delta.outages:
                if start in self.outages or len(self.outages) < self.MAX_EVENTS:
                    self.outages[start] = {"from": start, "to": end, "why": why}
            for start, end, why in delta.gaps:
                if len(self.gaps) < self.MAX_EVENTS:
                    self.gaps.append({"from": start, "to": end, "why": why})

    @property
    def total(self) -> Sums:
        """All scenarios together."""
        total = Sums()
        for sums in self.scenarios.values():
            for name in ("counts", "errors", "faulted", "checks"):
                getattr(total, name).update(getattr(sums, name))
        total.latencies = {
            name: merged(sums.latencies[name] for sums in self.scenarios.values()) for name in _LATENCIES
        }
        return total

    def to_json(self, capacity: CapacityWatch | None = None) -> dict[str, Any]:
        """The whole run as plain values; times in seconds since its start."""
        sent = self.total.counts["sent"]
        return {
            "schema": SCHEMA,
            "url": self.plan.url,
            "shape": self.plan.shape().sentence(),
            "cycles": self.plan.cycles,
            "cycle_seconds": self.plan.cycle,
            "seconds": round(self.until, 3),
            "total": self.total.to_json(),
            "scenarios": [
                {"name": scenario.name, "kind": scenario.kind, "tags": dict(scenario.tags)}
                | self.scenarios[scenario.name].to_json()
                for scenario in self.plan.scenarios
            ],
            "outages": [self.outages[start] for start in sorted(self.outages)],
            "gaps": self.gaps,
            "breaking_point": capacity.to_json() if capacity else None,
            "generator": {
                "cpu_seconds": round(self.worker_cpu_s, 3),
                "cpu_us_per_request": round(self.worker_cpu_s / sent * 1e6, 1) if sent else None,
                "rss_bytes": self.worker_rss,
                "limited_seconds": round(self.limited_s, 3),
            },
        }
