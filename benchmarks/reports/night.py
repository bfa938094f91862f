"""A night made by hand: 12 cycles of an hour, 20 series at a sample a second, 200 sites in each of 12 readings."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator

from benchmarks.quick import sized
from benchmarks.reports.handmade import MB, STARTED, answered, limits, load_at
from soak.report.compute import compute
from soak_storage import open_store
from soak_storage.records import (
    AnalysisRow,
    CycleRow,
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

CYCLES, CYCLE, QUIET = sized((12, 3600, 540), (12, 60, 9))
SITES, TYPES, DEPTH = 200, 50, 8
LEAKING = 12  # of the sites
SERIES = (
    *(("rss", "bytes"), ("uss", "bytes"), ("pss", "bytes"), ("cpu", "ratio"), ("fds", "count"), ("threads", "count")),
    *(("sockets", "count"), ("children", "count"), ("tmp_files", "count"), ("tmp_bytes", "bytes")),
    *((f"fds.{kind}", "count") for kind in ("file", "socket", "pipe", "eventpoll", "device")),
    *((f"sockets.{state}", "count") for state in ("listen", "established", "close_wait", "time_wait", "other")),
)
CONFIG = {"limits": limits("h", ("fds", "sockets", "threads", "children")), "sample": {"interval": 1.0}}


def night(url: str) -> None:
    """Store the night as run 1, judged."""
    with open_store(url) as store:
        run = store.begin_run(_start(0))
        store.write(run, [SegmentRow(0, 0.0, "start")])
        for cycle in range(CYCLES):
            store.write(run, list(_samples(cycle)))
            store.write(run, list(_cycle(cycle)))
        store.end_run(run, "completed", STARTED + CYCLES * CYCLE, duration_s=float(CYCLES * CYCLE))
        store.write(run, [AnalysisRow(float(CYCLES * CYCLE), compute(store, run), None)])


def many_runs(url: str, count: int) -> None:
    """Store the heads of `count` runs that ended."""
    with open_store(url) as store:
        for number in range(count):
            run = store.begin_run(_start(number))
            ended = STARTED + number * 86400.0 + CYCLES * CYCLE
            store.end_run(run, "completed", ended, duration_s=float(CYCLES * CYCLE))
            store.write(run, [AnalysisRow(float(CYCLES * CYCLE), {"verdict": "clean", "exit_code": 0}, None)])


def _start(number: int) -> RunStart:
    started, version = STARTED + number * 86400.0, f"{number:040x}"
    target = {"cwd": "/srv/orders", "python": "3.11.7"}
    return RunStart(
        "orders-api", "box", started, "0", float(CYCLE), float(QUIET), CYCLES, CONFIG, target, version=version
    )


def _samples(cycle: int) -> Iterator[Record]:
    chance = random.Random(cycle)
    for second in range(cycle * CYCLE, (cycle + 1) * CYCLE):
        load = load_at(second, CYCLE, QUIET)
        for name, unit in SERIES:
            yield SampleRow(float(second), name, unit, _value(name, unit, second, load, chance), gates="." not in name)


def _value(name: str, unit: str, second: int, load: float, chance: random.Random) -> float:
    if unit == "bytes" and name != "tmp_bytes":
        return round((80 + 3 * second / CYCLE + 5 * load) * MB + chance.gauss(0, 0.05 * MB))
    return 0.5 * load + chance.random() / 50 if unit == "ratio" else 12.0 + round(8 * load)


def _cycle(cycle: int) -> Iterator[Record]:
    start = float(cycle * CYCLE)
    times = answered(500, 0.005, 0.0002)
    yield CycleRow(cycle, start, start + CYCLE, complete=True)
    yield LoadCycleRow(cycle, "list", 90_000, 90_000, 90_000, 3, 0, {"status_500": 3}, response=times)
    for second in range(CYCLE - QUIET):
        yield LoadWindowRow(start + second, start + second + 1, cycle, "load", "list", 25, 25, 25, 0, 0)
    yield _reading(cycle, start + CYCLE - 60)


def _reading(cycle: int, t: float) -> ReadingRow:
    chance = random.Random(cycle)
    sites = tuple(_site(number, cycle, chance) for number in range(SITES))
    return ReadingRow(
        t=t,
        cycle=cycle,
        process="100:main",
        agent_mode="sampler",
        collected=True,
        pause_ms=1.0,
        traced_bytes=sum(site.bytes for site in sites),
        agent_bytes=2 * MB,
        gc_objects=100_000 + cycle,
        sites=sites,
        types=tuple(TypeRow(f"orders.models.Type{number}", 1000 + cycle * (number < 5)) for number in range(TYPES)),
    )


def _site(number: int, cycle: int, chance: random.Random) -> SiteRow:
    grown = cycle * MB * 3 / (number + 1) if number < LEAKING else 0.0
    size = 200_000.0 + grown + chance.gauss(0, 2000.0)
    return SiteRow(_stack(number), size, size / 500, error=0.01 * size)


def _stack(number: int) -> Stack:
    return tuple(
        (
            f"/srv/orders/package_{(number + depth) % 7}/module_{(number * depth) % 23}.py",
            10 * depth + number,
            f"f{depth}",
        )
        for depth in range(DEPTH)
    )


if __name__ == "__main__":
    if sys.argv[1] == "night":
        night(sys.argv[2])
    else:
        many_runs(sys.argv[2], int(sys.argv[3]))
