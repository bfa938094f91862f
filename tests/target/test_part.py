"""The target as a part of a run: how long its successor is waited for."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from soak.attach import AttachedTarget
from soak.config import Target as TargetSettings
from soak.config import load_config
from soak.errors import SoakError
from soak.launch.ending import Exit
from soak.parts.base import Run
from soak.parts.target import TargetPart
from soak.progress import Silent
from soak.target import TargetProcess
from soak_probes import start_time_of
from soak_storage.records import EventRow, Record

CRASHED = Exit("exit", 7, "exit code 7")
STOPPING = 40.0  # seconds that the old process takes to end


@dataclass
class Clock:
    """One that the test moves."""

    now: float = 0.0

    def monotonic(self) -> float:
        return self.now

    wall = monotonic

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Kept:
    """A recorder that keeps everything at hand."""

    records: list[Record] = field(default_factory=list)

    def put(self, record: Record) -> None:
        self.records.append(record)


class Made:
    """What both kinds of target here have: no process of their own, and an end as the test says."""

    end: Exit | None = None
    answers = True
    kills = 0

    @property
    def roots(self) -> tuple[tuple[int, int], ...]:
        return ((os.getpid(), start_time_of(os.getpid()) or 0),)

    def poll(self) -> Exit | None:
        return self.end

    def oom_kills(self) -> int:
        return self.kills

    def ready(self, waited: float, timeout: float | None = None) -> bool:
        if not self.answers and waited >= 30.0:
            raise SoakError("attached_not_ready", pid=1, seconds="30", why="no answer")
        return self.answers


class Launched(Made, TargetProcess):
    """Takes its time to stop."""

    clock: Clock

    def restart(self) -> None:
        self.clock.now += STOPPING
        self.end, self.answers = None, False


class Attached(Made, AttachedTarget):
    """Has a successor when the test says so."""

    successor = False

    def find_again(self) -> bool:
        return self.successor


def part_of(folder: Path, clock: Clock, target: Launched | Attached, *, how: str) -> tuple[TargetPart, Kept]:
    """The part of a run with that target, and what it records."""
    text = f'[target]\nname = "x"\nurl = "http://127.0.0.1:9"\n{how}\n[load]\nlow = 1\nhigh = 2\ncycle = "600s"\n'
    (folder / "soak.toml").write_text(f'{text}[[scenario]]\nname = "a"\npath = "/"\n')
    kept = Kept()
    config = load_config(folder / "soak.toml", environ={})
    run = Run(1, config, cast(Any, SimpleNamespace()), cast(Any, kept), folder, clock, Silent(), 0.0)
    part = TargetPart(run, folder)
    part.target = target
    return part, kept


def test_the_time_that_the_old_one_takes_to_stop_is_not_the_new_ones(tmp_path: Path) -> None:
    """40 s until it has ended, and then 30 s to be ready, whether it crashed or was restarted on purpose."""
    clock = Clock(100.0)
    target = Launched(TargetSettings(command=("x",)))
    target.clock = clock
    part, kept = part_of(tmp_path, clock, target, how='command = ["x"]\nrestart = "on-failure"')
    target.end = CRASHED
    for begin in (100.0, 300.0):
        clock.now = begin
        part.loop(clock.now) if target.end else part.restart()
        assert clock.now == begin + STOPPING
        clock.now += 29.0
        part.loop(clock.now)  # waited for 29 s, not for 69
        target.answers = True
        clock.now += 1.0
        part.loop(clock.now)
    restarts = [(row.t0, row.t1) for row in kept.records if isinstance(row, EventRow) and row.kind == "restart"]
    assert restarts == [(100.0, 170.0), (300.0, 370.0)]  # the whole time that it was away
    part.restart()
    clock.now += 31.0
    with pytest.raises(SoakError, match="30 s"):
        part.loop(clock.now)


def test_a_successor_has_its_own_time_to_be_ready(tmp_path: Path) -> None:
    """It is found 20 s after the old one went, and answers 29 s later."""
    clock = Clock(100.0)
    target = Attached(TargetSettings(port=9))
    part, kept = part_of(tmp_path, clock, target, how="port = 9")
    target.end = Exit("gone", -1, "gone")
    part.loop(clock.now)
    target.successor, target.answers = True, False
    clock.now = 120.0
    part.loop(clock.now)
    clock.now = 148.0
    part.loop(clock.now)
    clock.now = 149.0
    target.answers, target.end = True, None
    part.loop(clock.now)
    assert [(row.t0, row.t1) for row in kept.records if isinstance(row, EventRow)][-1] == (100.0, 149.0)
