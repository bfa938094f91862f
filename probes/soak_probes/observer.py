"""One sample of a target from outside: every probe on every process, and the totals."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from soak_probes.cgroup import group_memory
from soak_probes.pace import Pace
from soak_probes.probes import PROBES
from soak_probes.probes.base import Probe, Values
from soak_probes.process import Process
from soak_probes.reading import NOTHING_EXCLUDED, TOTAL, Excluded, ProcessGone, Reading, Refused
from soak_probes.sockdiag import SocketStates
from soak_probes.tree import ProcessTree
from soak_probes.view import Budget, Moment, View


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What one probe said of one process."""

    view: View
    values: Values | None
    why: str | None
    cost_us: float


class Observer:
    """Samples a tree.

    What is cheap (rss, cpu, fds, threads, children) comes with every sample. What walks the target's memory or its
    descriptors (uss, pss, swap, fds.<kind>, sockets, temporary files) is kept within a share of one core and is left
    out of the samples between: no value is not a gap. `deep=True` reads everything: ask for it in the trough.
    """

    def __init__(
        self,
        tree: ProcessTree,
        *,
        exclude: Mapping[int, Excluded] | None = None,
        probes: Sequence[type[Probe]] = PROBES,
        group: Path | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`exclude` says, by pid, what is the agent's; it may be replaced at any time.

        `group` is the folder of a control group that is the target's alone: its memory becomes the series
        cgroup.usage, cgroup.working_set and cgroup.page_cache.
        """
        self._tree = tree
        self.exclude: Mapping[int, Excluded] = exclude or {}
        self._probes = [probe() for probe in probes]
        self._group = group
        self._monotonic = monotonic
        self._budget = Budget()
        self._states = SocketStates()
        self._previous: tuple[float, float] | None = None
        self._tmp_seen: dict[tuple[int, int], str] = {}
        self._parts: dict[str, dict[str, float]] = {}

    @property
    def tree(self) -> ProcessTree:
        """The processes that are looked at."""
        return self._tree

    @property
    def processes(self) -> list[Process]:
        """The processes as of the last sample."""
        return self._tree.processes

    def close(self) -> None:
        """Close all files and sockets."""
        self._states.close()
        self._tree.close()

    def rebase(self, roots: Sequence[tuple[int, int]], reaper_pid: int | None = None) -> None:
        """Go on with a target that was restarted: nothing of the old one is compared with the new one."""
        self._tree.rebase(roots, reaper_pid)
        self._previous = None

    def sample(self, *, deep: bool = False, details: bool = True) -> list[Reading]:
        """All readings of now, totals first; empty once all processes are gone.

        details=False leaves out the series of single processes. Those of short-lived children are left out anyhow: a
        target that runs a command per request would make a dozen series with each.
        """
        self._tree.refresh(thorough=deep)
        moment = self._moment(deep)
        views = [
            View(process, moment, self.exclude.get(process.pid, NOTHING_EXCLUDED))
            for process in self._tree.processes
            if not process.stat.dead
        ]
        readings: list[Reading] = []
        single: list[Reading] = []
        for probe in self._probes if views else ():
            outcomes = [outcome for view in views if (outcome := _ask(probe, view)) is not None]
            # A kind or state that was there once and is gone is a zero, not a gap.
            parts = self._parts.setdefault(type(probe).__name__, {})
            readings.extend(_total(probe, outcomes, parts))
            if details:
                for outcome in outcomes:
                    if outcome.view.process.settled:
                        single.extend(_readings(probe, outcome, parts))
        if views and self._group is not None:
            readings.extend(_group_readings(self._group))
        self._settle(moment)
        return readings + single

    def _moment(self, deep: bool) -> Moment:
        now, budget = self._monotonic(), self._budget
        return Moment(
            tree=self._tree,
            states=self._states,
            now=now,
            boot=time.clock_gettime(time.CLOCK_BOOTTIME),
            previous=self._previous,
            maps_due=budget.maps.due(now, deep),
            tables_due=budget.tables.due(now, deep),
            sockets_due=budget.sockets.due(now, deep),
            tmp_due=budget.tmp.due(now, deep),
            tmp_seen=self._tmp_seen,
        )

    def _settle(self, moment: Moment) -> None:
        budget = self._budget
        paces: dict[str, Pace] = {
            "maps": budget.maps,
            "tables": budget.tables,
            "sockets": budget.sockets,
            "tmp": budget.tmp,
        }
        for what, cost in moment.spent.items():
            paces[what].spent(moment.now, cost)
        self._previous = (moment.now, moment.boot)


def _ask(probe: Probe, view: View) -> _Outcome | None:
    """One probe on one process; None if the process ended. A fault in a probe is a gap in its series, no more."""
    began = time.perf_counter()
    values: Values | None = None
    why: str | None = None
    try:
        if probe.needs_leader and view.process.stat.leaderless:
            raise Refused("its main thread has ended while others go on: the kernel shows nothing of it")
        values = probe.sample(view)
    except ProcessGone:
        return None
    except Refused as refused:
        why = refused.why
    except Exception as error:  # noqa: BLE001 - a probe may fail, soak may not
        why = f"{type(error).__name__}: {error}"
    return _Outcome(view, values, why, (time.perf_counter() - began) * 1e6)


def _readings(probe: Probe, outcome: _Outcome, parts: Mapping[str, float]) -> Iterator[Reading]:
    process = outcome.view.process.label
    if outcome.why is not None:
        if not probe.parts_only:
            yield Reading(probe.name, probe.unit, process, None, outcome.cost_us, outcome.why)
        return
    if outcome.values is None:
        return
    for name, value in {**parts, **outcome.values}.items():
        yield Reading(name, probe.unit, process, value, outcome.cost_us)


def _total(probe: Probe, outcomes: Sequence[_Outcome], parts: dict[str, float]) -> Iterator[Reading]:
    """The tree's reading: a gap if any process refused, nothing if any was not due: a part is not a total.

    `parts` are the series that this probe has given so far, at zero.
    """
    cost = sum(outcome.cost_us for outcome in outcomes)
    refused = [outcome for outcome in outcomes if outcome.why is not None]
    if refused:
        if not probe.parts_only:
            why = f"process {refused[0].view.process.pid}: {refused[0].why}"
            yield Reading(probe.name, probe.unit, TOTAL, None, cost, why)
        return
    values = [outcome.values for outcome in outcomes if outcome.values is not None]
    if not outcomes or len(values) < len(outcomes):
        return
    total = probe.total(values, [outcome.view for outcome in outcomes])
    parts.update(dict.fromkeys(total, 0.0))
    for name, value in {**parts, **total}.items():
        yield Reading(name, probe.unit, TOTAL, value, cost)


def _group_readings(group: Path) -> Iterator[Reading]:
    """The control group's own account, page cache apart from the working set."""
    began = time.perf_counter()
    memory = group_memory(group)
    cost = (time.perf_counter() - began) * 1e6
    if memory is None:
        yield Reading("cgroup.working_set", "bytes", TOTAL, None, cost, f"no memory figures in {group}")
        return
    for name, value in (("usage", memory.usage), ("working_set", memory.working_set), ("page_cache", memory.cache)):
        yield Reading(f"cgroup.{name}", "bytes", TOTAL, value, cost)
