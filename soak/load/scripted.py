"""Scenarios that are Python: `async def scenario(client: httpx.AsyncClient, context)` in a file of the user's.

httpx is the interface, our own core does the work: the client's transport is `CoreTransport`. Each call gets a client
of its own, so that cookies and tokens are those of one visitor.
"""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import random
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from soak.errors import SoakError
from soak.load.transport import FAILURES, CoreTransport

if TYPE_CHECKING:
    from soak.load.accounts import Job
    from soak.load.engine import Engine
    from soak.load.plan import ScenarioPlan

MAX_KINDS = 30  # exceptions told apart by name; further ones are `exception`
GRACE_SHARE = 0.25  # of the quiet part: what still runs then is ended

Function = Callable[[httpx.AsyncClient, "Context"], Awaitable[Any]]


@dataclass(slots=True)
class Context:
    """What a scenario is told: which call it is, since when it should have run, and a source of chance of its own."""

    scenario: str
    number: int
    cycle: int
    tags: dict[str, str]
    random: random.Random
    counts: dict[str, int] = field(default_factory=dict)

    def count(self, name: str, by: int = 1) -> None:
        """Count something of the scenario's own; the sums are in the report under `checks`."""
        self.counts[name] = self.counts.get(name, 0) + by


def load_function(reference: str, folder: str) -> Function:
    """The function that `file.py:name` means, seen from `folder`; SoakError load_function when there is none."""
    file, _, name = reference.rpartition(":")
    path = Path(folder, file).resolve()
    try:
        spec = importlib.util.spec_from_file_location(f"soak_scenario_{path.stem}", path)
        if spec is None or spec.loader is None:
            raise ImportError("not a Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        if str(path.parent) not in sys.path:
            sys.path.append(str(path.parent))  # a scenario may import its neighbours
        spec.loader.exec_module(module)
        function: Function = getattr(module, name)
    except Exception as error:  # it is the user's file: anything may come out of it
        raise SoakError("load_function", reference=reference, why=f"{type(error).__name__}: {error}") from error
    if not inspect.iscoroutinefunction(function):
        raise SoakError("load_function", reference=reference, why="it is no `async def` function")
    return function


class _Visit(httpx.AsyncBaseTransport):
    """The transport of one call: counts its answers, and leaves the shared one open when the call's client closes."""

    def __init__(self, shared: httpx.AsyncBaseTransport) -> None:
        self._shared = shared
        self.answers = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Called by httpx."""
        response = await self._shared.handle_async_request(request)
        self.answers += 1
        return response


class ScriptedRunner:
    """Calls the function once for each arrival, in a task of its own."""

    def __init__(self, engine: Engine, scenario: ScenarioPlan) -> None:
        self._function = load_function(scenario.function or "", engine.plan.folder)
        self._engine = engine
        self._scenario = scenario
        self._core = CoreTransport(engine)
        self._transport: httpx.AsyncBaseTransport = self._core
        if scenario.client == "httpx":
            self._transport = httpx.AsyncHTTPTransport(http2=engine.plan.http2 != "off")
        self._tasks: set[asyncio.Task[None]] = set()
        self._kinds: set[str] = set()
        self._number = engine.worker - engine.plan.workers
        self._random = random.Random(f"{engine.plan.seed}/{scenario.name}/{engine.worker}")

    def start(self, job: Job, fault: str | None) -> None:
        """Call it; faults have no meaning here and are refused before the start."""
        self._number += self._engine.plan.workers
        task = asyncio.get_running_loop().create_task(self._call(job, self._number))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def rest(self) -> None:
        """Calls that still run may go on for a quarter of the quiet part."""
        self._core.close_idle()
        loop = asyncio.get_running_loop()
        for task in list(self._tasks):
            loop.call_later(self._engine.plan.quiet * GRACE_SHARE, _cut_off, task)

    async def finish(self) -> None:
        """Calls that still run are cut off."""
        await asyncio.sleep(0)  # those due just now have begun after this
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _call(self, job: Job, number: int) -> None:
        scenario, plan, accounts = self._scenario, self._engine.plan, self._engine.accounts
        context = Context(
            scenario.name, number, job.tally.cycle, dict(scenario.tags), random.Random(self._random.random())
        )
        visit = _Visit(self._transport)
        client = httpx.AsyncClient(
            transport=visit,
            base_url=plan.url,
            headers=dict(scenario.headers),
            timeout=plan.timeout,
            trust_env=False,
        )
        try:
            await self._function(client, context)
        except httpx.HTTPStatusError as error:
            response = error.response
            retry_after = _seconds(response.headers.get("retry-after"))
            accounts.answered(job, scenario, response.status_code, retry_after, good=False)
            accounts.end(job, False)
        except asyncio.CancelledError:
            accounts.cut(job)
        except httpx.TransportError as error:
            accounts.failed(job, _kind_of_failure(error))
        except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001  # the user's code may raise anything
            accounts.disappointed(job, self._kind(error), answered=visit.answers > 0)
        else:
            accounts.landed(job, scenario, scenario.status[0] if scenario.status else 200, None)
        finally:
            job.tally.check("requests", visit.answers)
            for name, count in context.counts.items():
                job.tally.check(name, count)
            await client.aclose()

    def _kind(self, error: BaseException) -> str:
        name = "assertion" if isinstance(error, AssertionError) else type(error).__name__
        if name not in self._kinds and len(self._kinds) >= MAX_KINDS:
            return "exception"
        self._kinds.add(name)
        return name


def _cut_off(task: asyncio.Task[None]) -> None:
    """Cancel it, but not before its first step: nobody would count it."""
    asyncio.get_running_loop().call_soon(task.cancel)


def _kind_of_failure(error: httpx.TransportError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "timeout"
    return str(error) if str(error) in FAILURES else "connection"


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 10 else None


def main() -> None:
    """`python -m soak.load.scripted REFERENCE FOLDER`: can this function be used? Says why not, and ends with 1."""
    try:
        load_function(sys.argv[1], sys.argv[2])
    except SoakError as error:
        print(error.facts["why"])
        sys.exit(1)


if __name__ == "__main__":
    main()
