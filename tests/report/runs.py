"""Runs made by hand: what a soak of a known target would have stored, written through the real store."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.reports.handmade import MB, STARTED, answered, limits, load_at
from soak_storage import Store
from soak_storage.records import (
    CycleRow,
    HandleRow,
    LoadCycleRow,
    LoadWindowRow,
    ReadingRow,
    Record,
    RunStart,
    SampleRow,
    SegmentRow,
    SiteRow,
    Stack,
    TypeRow,
)

CWD = "/srv/orders"
COUNTS = ("fds", "sockets", "threads", "tasks", "children", "tmp_files")
LEAK: Stack = (
    ("/usr/lib/python3.11/asyncio/events.py", 80, "_run"),
    ("/srv/venv/lib/python3.11/site-packages/starlette/routing.py", 74, "app"),
    (f"{CWD}/app.py", 57, "handler"),
)
CHURN: Stack = ((f"{CWD}/app.py", 90, "render"),)
OPENED: Stack = (
    (f"{CWD}/files.py", 12, "load_index"),
    ("/usr/lib/python3.11/socket.py", 232, "__init__"),
)
AGENT: Stack = (("/opt/soak/probes/soak_agent/reader.py", 5, "read"),)


@dataclass
class Plan:
    """A target whose truth is known. Growth is per cycle; sizes in bytes."""

    cycles: int = 8
    done: int | None = None  # cycles that ran; None: all
    cycle_seconds: float = 60.0
    quiet_seconds: float = 9.0
    interval: float = 0.5
    heap_growth: float = 0.0
    native_growth: float = 0.0
    fd_growth: float = 0.0
    socket_growth: float = 0.0
    mode: str = "sampler"
    agent_bytes: Callable[[int], float] = field(default=lambda cycle: 1.9 * MB)
    landed_share: float = 1.0
    missing: Callable[[float], bool] = field(default=lambda t: False)
    restart_at: float | None = None
    limits: dict[str, object] = field(default_factory=lambda: limits("cycle", COUNTS))
    status: str | None = "completed"
    error: dict[str, object] | None = None
    extra: Sequence[Record] = ()
    target: dict[str, object] = field(default_factory=lambda: {"cwd": CWD, "python": "3.11.7"})
    leak_stack: Stack = LEAK
    function_types: str = "bytearray"
    version: str | None = None
    started: float = STARTED

    @property
    def ran(self) -> int:
        """Cycles that ran."""
        return self.cycles if self.done is None else self.done


def make_run(store: Store, plan: Plan, name: str = "orders-api", config: Mapping[str, object] | None = None) -> int:
    """Store a run as `plan` says, with more configuration if need be; returns its id."""
    run_id = store.begin_run(
        RunStart(
            name=name,
            host="box",
            started=plan.started,
            soak_version="0",
            cycle_seconds=plan.cycle_seconds,
            quiet_seconds=plan.quiet_seconds,
            cycles_planned=plan.cycles,
            config={"limits": plan.limits, "sample": {"interval": plan.interval}, **(config or {})},
            target=plan.target,
            version=plan.version,
        )
    )
    store.write(run_id, [SegmentRow(0, 0.0, "start"), *_samples(plan), *_cycles(plan), *plan.extra])
    if plan.status:
        duration = plan.ran * plan.cycle_seconds
        store.end_run(run_id, plan.status, plan.started + duration, duration_s=duration, error=plan.error)
    return run_id


def _samples(plan: Plan) -> list[Record]:
    rng = random.Random(7)
    rows: list[Record] = []
    for step in range(int(plan.ran * plan.cycle_seconds / plan.interval)):
        t = step * plan.interval
        if plan.missing(t):
            continue
        cycles = t / plan.cycle_seconds
        load = load_at(t, plan.cycle_seconds, plan.quiet_seconds)
        since = cycles if plan.restart_at is None or t < plan.restart_at else (t - plan.restart_at) / plan.cycle_seconds
        grown = (plan.heap_growth + plan.native_growth) * since
        rss = 60 * MB + grown + 2 * MB * load + rng.gauss(0, 0.03 * MB) + plan.agent_bytes(int(cycles))
        values = {
            "rss": ("bytes", rss),
            "cpu": ("ratio", 0.02 + 0.5 * load),
            "fds": ("count", 12 + math.floor((plan.fd_growth + plan.socket_growth) * since) + round(8 * load)),
            "sockets": ("count", 3 + math.floor(plan.socket_growth * since) + round(8 * load)),
            "threads": ("count", 4.0),
            "children": ("count", 0.0),
        }
        rows += [SampleRow(t, series, unit, float(value), gates=True) for series, (unit, value) in values.items()]
    return rows


def _cycles(plan: Plan) -> list[Record]:
    rows: list[Record] = []
    for cycle in range(plan.ran):
        start = cycle * plan.cycle_seconds
        end = start + plan.cycle_seconds
        rows.append(CycleRow(cycle, start, end, complete=True))
        due = 1000
        landed = round(due * plan.landed_share)
        times = answered(200, 0.010, 0.0001)
        rows.append(LoadCycleRow(cycle, "list", due, landed, landed, 1, 0, {"status_500": 1}, response=times))
        rows.append(LoadWindowRow(start, end - 9.0, cycle, "load", "list", due, landed, landed, 1, 0))
        if plan.mode != "off":
            rows += _reading(plan, cycle, end - 3.0)
    return rows


def _reading(plan: Plan, cycle: int, t: float) -> list[Record]:
    rng = random.Random(cycle)
    leaked = plan.heap_growth * (cycle + 0.95)
    churn = 3 * MB + rng.gauss(0, 0.02 * MB)
    heap = 20 * MB + leaked + churn
    partial = plan.mode == "tracemalloc"
    sites = [
        SiteRow(CHURN, churn, 300.0, error=0.02 * MB),
        SiteRow(AGENT, 5 * MB + cycle * 2 * MB, 10.0),
        SiteRow(
            plan.leak_stack[-1:] if partial else plan.leak_stack,
            leaked,
            leaked / 1000,
            error=0.01 * leaked + 1,
            partial=partial,
        ),
    ]
    handles = [
        HandleRow("fd", int(plan.fd_growth * (cycle + 1)), OPENED[:1], "/srv/orders/.git/index"),
        HandleRow("socket", int(plan.socket_growth * (cycle + 1)), OPENED, "127.0.0.1:5432 CLOSE_WAIT"),
    ]
    reading = ReadingRow(
        t=t,
        cycle=cycle,
        process="100:main",
        agent_mode=plan.mode,
        frames=1 if partial else None,
        collected=True,
        pause_ms=0.5 + cycle / 10,
        traced_bytes=heap,
        agent_bytes=plan.agent_bytes(cycle),
        gc_objects=10_000 + int(leaked / 1000),
        tasks=3,
        sites=tuple(sites),
        types=(TypeRow(plan.function_types, 50 + int(leaked / 1000)), TypeRow("str", 5000 + rng.randint(-20, 20))),
        handles=tuple(handle for handle in handles if handle.count),
    )
    series = (("python_heap", "bytes", heap), ("tasks", "count", 3.0))
    return [reading, *(SampleRow(t, name, unit, value, gates=True) for name, unit, value in series)]
