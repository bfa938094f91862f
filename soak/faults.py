"""[[fault]]: done to the target or a dependency in every cycle, with the time until it answers again."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from soak.background import in_background
from soak.config import Fault
from soak.continuer import let_go_on
from soak.errors import SoakError
from soak_probes import Process, start_time_of
from soak_probes.find import Finder, topmost
from soak_storage.records import EventRow, Record

LOG = logging.getLogger(__name__)
ASK_EVERY = 0.05  # seconds between two questions whether it answers again
LOOK_EVERY = 0.1  # seconds between two looks at what is under way
NEVER = float("inf")

Key = tuple[int, int]  # pid and start time


@dataclass(frozen=True, slots=True)
class Victims:
    """How faults reach the target: its first processes, all of its processes, its restart, whether it answers."""

    roots: Callable[[], Sequence[Key]]
    processes: Callable[[], Sequence[Process]]
    restart: Callable[[], None] | None = None  # None: the target is not ours to start
    answers: Callable[[], bool] | None = None  # None: nothing to ask, recovery is not measured


@dataclass(slots=True)
class _Under:
    """A fault that was begun and is not settled."""

    number: int
    fault: Fault
    cycle: int
    t0: float
    ends: float  # when a stopped process goes on
    keys: list[Key] = field(default_factory=list)
    guard: subprocess.Popen[bytes] | None = None
    command: Future[int] | None = None
    recovery: Future[float | None] | None = None
    ended: float | None = None
    why: str = ""


class Faults:
    """Every fault of a configuration at its time in each cycle: `initialize`, `loop` whenever `due`, `shutdown`.

    Each is an event of kind `fault` from its beginning until the target answers again: detail `number`, `fault`,
    `process`, `pids`, `lasted` (seconds of the fault itself), `recovered` (seconds from its end until the target
    answered; None: it did not before the cycle was over) and `why` when it could not be done.
    """

    def __init__(
        self,
        faults: Sequence[Fault],
        cycle: float,
        victims: Victims,
        *,
        folder: Path = Path(),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`cycle` in seconds; commands are run in `folder`."""
        self._faults = faults
        self._cycle = cycle
        self._victims = victims
        self._folder = folder
        self._monotonic = monotonic
        self._next = [fault.at * cycle for fault in faults]
        self._under: list[_Under] = []
        self._looked = 0.0

    def initialize(self) -> None:
        """Nothing to start."""

    @property
    def due(self) -> float:
        """When `loop` wants to be called, in seconds of run time."""
        look = [self._looked + LOOK_EVERY] if self._under else []
        return min([*self._next, *look], default=NEVER)

    def loop(self, now: float) -> Iterator[Record]:
        """Begin what is due, end what has lasted, take note of what has recovered."""
        self._looked = now
        for number, fault in enumerate(self._faults):
            if now >= self._next[number]:
                cycle = int(now // self._cycle)
                missed = now % self._cycle < fault.at * self._cycle  # soak was held up until the next cycle
                self._next[number] = (cycle + (not missed) + fault.at) * self._cycle
                if not missed:
                    yield self._begin(_Under(number, fault, cycle, now, now))
        for under in list(self._under):
            yield from self._go_on(under, now)

    def finish(self, now: float) -> Iterator[Record]:
        """What is still under way is ended and noted as not recovered."""
        for under in list(self._under):
            self._end(under, now)
            under.why = under.why or "the run ended first"
            yield self._settled(under, now, None)

    def shutdown(self) -> None:
        """Let every stopped process go on."""
        for under in self._under:
            self._release(under)
        self._under.clear()

    # ----------------------------------------------------------------------------------------------------- one fault

    def _begin(self, under: _Under) -> EventRow:
        fault = under.fault
        LOG.info("fault: %s %s", fault.kind, " ".join(fault.command[:1]) or fault.process)
        self._under.append(under)
        try:
            if fault.kind == "command":
                under.command = in_background(self._run, fault.command)
            elif fault.kind == "restart":
                self._restart()
            else:
                self._signal(under)
        except (OSError, SoakError) as error:
            under.why = str(error)
        return _event(under, None)

    def _signal(self, under: _Under) -> None:
        fault = under.fault
        under.keys = self._reached(fault)
        if not under.keys:
            under.why = f"no process matches {fault.process!r}"
            return
        if fault.kind == "stop":
            under.guard = _guard(under.keys)
            under.ends = under.t0 + (fault.lasting or 0.0)
        for pid, start_time in under.keys:
            if start_time_of(pid) == start_time:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP if fault.kind == "stop" else signal.SIGKILL)

    def _reached(self, fault: Fault) -> list[Key]:
        """`target`: its first processes (to stop: all of them). A pattern: one process of the target's, preferably
        not its first (a worker dies, work goes on); if none matches, the topmost matching ones outside."""
        roots = list(self._victims.roots())
        everyone = self._victims.processes()
        if fault.process == "target":
            return [process.key for process in everyone] or roots if fault.kind == "stop" else roots
        pattern = re.compile(fault.process)
        inside = [process.key for process in everyone if pattern.search(" ".join(process.cmdline))]
        if inside:
            return sorted(inside, key=lambda key: (key in roots, key))[:1]
        return [(found.pid, found.start_time) for found in topmost(Finder().by_pattern(fault.process))]

    def _restart(self) -> None:
        if self._victims.restart is None:
            raise SoakError("fault_not_ours", kind="restart")
        self._victims.restart()

    def _run(self, command: Sequence[str]) -> int:
        done = subprocess.run(
            command, cwd=self._folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=self._cycle, check=False
        )
        return done.returncode

    def _go_on(self, under: _Under, now: float) -> Iterator[EventRow]:
        if under.command is not None and under.command.done():
            self._note_command(under)
        if under.ended is None and under.command is None and now >= under.ends:
            self._end(under, now)
        if under.ended is not None and (under.recovery is None or under.recovery.done()):
            recovered = under.recovery.result() if under.recovery else None
            yield self._settled(under, now, recovered)

    def _note_command(self, under: _Under) -> None:
        answer, under.command = under.command, None
        assert answer is not None
        try:
            code = answer.result()
            under.why = f"exit {code}" if code else ""
        except (OSError, subprocess.SubprocessError) as error:
            under.why = str(error)

    def _end(self, under: _Under, now: float) -> None:
        """The fault itself is over: from now on it is measured how long the target takes."""
        if under.ended is not None:
            return
        under.ended = now
        self._release(under)
        if self._victims.answers is not None:
            patience = max(0.0, (under.cycle + 1) * self._cycle - now)
            killed = under.keys if under.fault.kind == "kill" else []
            began = self._monotonic()  # not in the thread, which may have to wait for its turn
            under.recovery = in_background(self._until_it_answers, self._victims.answers, began, patience, killed)

    def _until_it_answers(
        self, answers: Callable[[], bool], began: float, patience: float, killed: Sequence[Key]
    ) -> float | None:
        while any(_lives(key) for key in killed):  # the one that is dying may still accept a connection
            time.sleep(0.001)
        while (waited := self._monotonic() - began) <= patience:
            if answers():
                return self._monotonic() - began
            time.sleep(ASK_EVERY)
        LOG.warning("the target did not answer within %.0f s after a fault", waited)
        return None

    def _release(self, under: _Under) -> None:
        if under.fault.kind == "stop":
            let_go_on(under.keys)
        if under.guard is not None:
            assert under.guard.stdin is not None
            under.guard.stdin.close()
            under.guard.wait()
            under.guard = None

    def _settled(self, under: _Under, now: float, recovered: float | None) -> EventRow:
        self._under.remove(under)
        ended = now if under.ended is None else under.ended
        return _event(under, ended + (recovered or 0.0), recovered)


def _lives(key: Key) -> bool:
    found = Finder().look(key[0])
    return found is not None and found.start_time == key[1]


def _event(under: _Under, until: float | None, recovered: float | None = None) -> EventRow:
    detail = {
        "number": under.number,
        "fault": under.fault.kind,
        "process": under.fault.process,
        "pids": [pid for pid, _ in under.keys],
        "lasted": None if under.ended is None else under.ended - under.t0,
        "recovered": recovered,
        "why": under.why,
    }
    return EventRow("fault", under.t0, until, detail, key=f"{under.number}@{under.cycle}")


def _guard(keys: Sequence[Key]) -> subprocess.Popen[bytes]:
    """A process that lets them go on should soak die meanwhile."""
    guard = subprocess.Popen(
        (sys.executable, "-P", "-m", "soak.continuer"),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for soak, not for this one
    )
    assert guard.stdin is not None
    guard.stdin.write("".join(f"{pid} {start_time}\n" for pid, start_time in keys).encode())
    guard.stdin.flush()
    return guard
