"""Other people's generators: any command, or an unmodified locustfile, run once in the loaded part of each cycle.

The command finds the load in its environment. What it prints as JSON lines is counted:
`{"requests": 10, "errors": {"status_500": 1}, "response_ms": {"12.5": 9, "250": 1}}`; other output is ignored.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from soak.load.accounts import Job
    from soak.load.engine import Engine
    from soak.load.plan import ScenarioPlan
    from soak.load.tally import Tally

STOP_S = 5.0  # between SIGTERM and SIGKILL
MAX_LINE = 1 << 20
MAX_KINDS = 50
LEASH = Path(__file__).with_name("leash.py")
PLUGIN = Path(__file__).with_name("locust_plugin.py")


def command_of(scenario: ScenarioPlan, url: str) -> list[str]:
    """What is started: the scenario's command, or Locust with the user's file and our plugin beside it."""
    if scenario.kind == "command":
        return list(scenario.command)
    locust = list(scenario.command) or ["locust"]
    return [*locust, "-f", f"{scenario.file},{PLUGIN}", "--headless", "-H", url, "--loglevel", "WARNING"]


def environment_of(engine: Engine, scenario: ScenarioPlan, cycle: int, since: float) -> dict[str, str]:
    """The load of this cycle in words that a script can use; `since`: seconds of its loaded part that are over."""
    plan = engine.plan
    own = scenario.rate is not None or scenario.users is not None or scenario.count is not None
    shape = plan.own_shape(scenario) if own else plan.shape()
    start, loaded = cycle * plan.cycle, plan.cycle - plan.quiet
    offset = 0.0 if shape.period <= plan.cycle else start
    within = [piece for piece in shape.pieces if offset <= piece.start < offset + plan.cycle]
    pieces = [[piece.start - offset, piece.end - offset, piece.low, piece.high] for piece in within]
    values = {
        "URL": plan.url,
        "CYCLE": cycle,
        "SECONDS": f"{loaded - since:g}",
        "RATE": f"{(shape.due(start + loaded) - shape.due(start)) / loaded:g}",
        "LOW": f"{shape.rate(start):g}",
        "HIGH": f"{shape.peak:g}",
        "UNIT": shape.unit,
        "SHAPE": json.dumps({"since": since, "seconds": loaded, "unit": shape.unit, "pieces": pieces}),
    }
    return {**os.environ, **{f"SOAK_LOAD_{name}": str(value) for name, value in values.items()}}


class ExternalRunner:
    """Starts the command when a cycle begins, reads what it reports, ends it when the quiet part begins."""

    def __init__(self, engine: Engine, scenario: ScenarioPlan) -> None:
        self._engine = engine
        self._scenario = scenario
        self._process: asyncio.subprocess.Process | None = None
        self._running: asyncio.Task[None] | None = None
        self._stopping = False
        self._kinds: set[str] = set()

    def begin_cycle(self, when: float) -> float:
        """Start the command of the cycle that runs at `when`; when the next cycle begins."""
        plan = self._engine.plan
        cycle = int(when // plan.cycle)
        if self._running is None or self._running.done():
            self._stopping = False
            tally = self._engine.tallies.of(cycle, plan.scenarios.index(self._scenario))
            self._running = asyncio.get_running_loop().create_task(self._run(tally, cycle, when % plan.cycle))
        return (cycle + 1) * plan.cycle

    def start(self, job: Job, fault: str | None) -> None:
        """Single arrivals do not come here: the command makes its own."""
        raise AssertionError("a command is not sent request by request")

    def rest(self) -> None:
        """The quiet part begins: SIGTERM for the whole group, SIGKILL when that does not help."""
        self._stopping = True
        if self._process is not None:
            _end(self._process)

    async def finish(self) -> None:
        """Wait for the command to go; at the longest until SIGKILL has done its work."""
        if self._running is not None:
            await asyncio.wait([self._running], timeout=STOP_S + 1.0)

    async def _run(self, tally: Tally, cycle: int, since: float) -> None:
        tally.open += 1
        leash = [sys.executable, "-I", "-S", str(LEASH), str(os.getpid())]
        command = [*leash, *command_of(self._scenario, self._engine.plan.url)]
        try:
            process = self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                env=environment_of(self._engine, self._scenario, cycle, since),
                cwd=self._engine.plan.folder,
                start_new_session=True,
                limit=MAX_LINE,
            )
            assert process.stdout is not None
            if self._stopping:  # the quiet part began while it was started
                _end(process)
            await self._read(process.stdout, tally)
            code = await process.wait()
        except OSError as error:
            tally.error(f"command_{type(error).__name__}")
        else:
            if code and not self._stopping:
                tally.error(f"exit_{code}")
        finally:
            self._process = None
            tally.open -= 1

    async def _read(self, stdout: asyncio.StreamReader, tally: Tally) -> None:
        while True:
            try:
                line = await stdout.readline()
            except ValueError:  # a line beyond all measure: it was thrown away
                continue
            if not line:
                return
            if line.startswith(b"{"):
                self._count(line, tally)

    def _count(self, line: bytes, tally: Tally) -> None:
        """Add one report; what cannot be read is counted as an error and otherwise ignored."""
        try:
            report: dict[str, Any] = json.loads(line)
            requests = int(report.get("requests", 0))
            errors = {str(kind)[:60]: int(count) for kind, count in dict(report.get("errors", {})).items()}
            took = [(float(ms) / 1e3, int(count)) for ms, count in dict(report.get("response_ms", {})).items()]
        except (ValueError, TypeError, AttributeError):
            tally.error("unreadable_report")
            return
        unanswered = sum(count for kind, count in errors.items() if not kind.startswith("status_"))
        tally.due += requests
        tally.sent += requests
        tally.landed += max(0, requests - unanswered)
        for kind, count in errors.items():
            name = kind if kind in self._kinds or len(self._kinds) < MAX_KINDS else "other"
            self._kinds.add(name)
            tally.errors[name] = tally.errors.get(name, 0) + count
        for seconds, count in took:
            tally.response.record_many(seconds, count)
            tally.service.record_many(seconds, count)


def _end(process: asyncio.subprocess.Process) -> None:
    """Ask it to go, and make it go later: this one, for the next cycle may have begun its own by then."""
    _signal(process, signal.SIGTERM)
    asyncio.get_running_loop().call_later(STOP_S, _signal, process, signal.SIGKILL)


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """To its whole group, while it has not been waited for."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
