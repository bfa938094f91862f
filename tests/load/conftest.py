"""Servers that look at what arrives, and a way to run a plan to its end against them."""

from __future__ import annotations

import asyncio
import math
import select
import ssl
import subprocess
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import uvloop

from soak.load import Histogram, LoadDelta, LoadGenerator, LoadPlan, ScenarioPlan
from soak.load import engine as engine_module
from soak.load.accounts import Accounts, Job
from soak.load.engine import Engine
from tests.common import PATIENCE_S
from tests.load.clock import LeapingClock

Handler = Callable[["Client"], Awaitable[None]]


@dataclass
class Client:
    """One connection as the server saw it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int
    received: bytearray = field(default_factory=bytearray)
    ending: str = ""  # "eof", "reset" or "" while it lasts
    opened: float = field(default_factory=time.monotonic)
    closed: float = 0.0

    async def head(self) -> bytes:
        """Everything up to the empty line."""
        return await self._keep(self.reader.readuntil(b"\r\n\r\n"))

    async def exactly(self, count: int) -> bytes:
        """So many bytes."""
        return await self._keep(self.reader.readexactly(count))

    async def until_end(self) -> str:
        """Read until the client goes; how it went."""
        while await self._keep(self.reader.read(1 << 16)):
            pass
        return "eof"

    async def send(self, data: bytes) -> None:
        """Write and wait until it could be written."""
        self.writer.write(data)
        await self.writer.drain()

    async def _keep(self, reading: Awaitable[bytes]) -> bytes:
        data = await reading
        self.received += data
        return data


class WireServer:
    """An asyncio server in a thread of its own; `clients` is what it saw."""

    def __init__(self, handler: Handler, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.clients: list[Client] = []
        self._handler = handler
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(port,), daemon=True)
        self._thread.start()
        assert self._ready.wait(PATIENCE_S)

    def _run(self, port: int) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", port, backlog=1024, ssl=self._tls)
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        self._loop.run_until_complete(_end(asyncio.all_tasks(self._loop)))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = Client(reader, writer, len(self.clients))
        self.clients.append(client)
        try:
            await self._handler(client)
            client.ending = client.ending or "eof"
        except (asyncio.IncompleteReadError, BrokenPipeError) as error:
            client.received += getattr(error, "partial", b"")
            client.ending = "eof"
        except ConnectionResetError:
            client.ending = "reset"
        finally:
            client.closed = time.monotonic()
            writer.close()

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """End it."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)


async def _end(tasks: set[asyncio.Task[Any]]) -> None:
    """Cancel them, and let them and the connections that they close come to their end."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0)


@pytest.fixture
def serve() -> Iterator[Callable[..., WireServer]]:
    """Starts servers that are stopped after the test."""
    servers: list[WireServer] = []

    def start(handler: Handler, port: int = 0, tls: ssl.SSLContext | None = None) -> WireServer:
        servers.append(WireServer(handler, port, tls))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


async def hello(client: Client) -> None:
    """Answers every request without a body with 200 and two bytes, on one connection."""
    while True:
        await client.head()
        await client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for this machine, to be trusted by SSL_CERT_FILE, and a server's settings with it."""
    path, key = folder / "cert.pem", folder / "key.pem"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    make = ["openssl", "req", "-x509", *curve, *name, "-out", str(path), "-keyout", str(key)]
    subprocess.run(make, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, key)
    return path, context


@dataclass
class Outcome:
    """Everything a run reported."""

    deltas: list[LoadDelta]
    in_flight: int = 0  # when it was looked at last

    def total(self, name: str, scenario: str | None = None, cycle: int | None = None) -> int:
        """Sum of a count."""
        return sum(getattr(delta, name) for delta in self._of(scenario, cycle))

    def counts(self, name: str, scenario: str | None = None) -> dict[str, int]:
        """Sum of a table of counts."""
        table: dict[str, int] = {}
        for delta in self._of(scenario, None):
            for key, count in getattr(delta, name).items():
                table[key] = table.get(key, 0) + count
        return table

    @property
    def errors(self) -> dict[str, int]:
        """Errors by kind, of all scenarios."""
        return self.counts("errors")

    def histogram(self, name: str, scenario: str | None = None) -> Histogram:
        """Merged histogram."""
        merged = Histogram()
        for delta in self._of(scenario, None):
            merged.merge(getattr(delta, name))
        return merged

    def _of(self, scenario: str | None, cycle: int | None) -> list[LoadDelta]:
        found = [delta for delta in self.deltas if scenario in (None, delta.scenario)]
        return [delta for delta in found if cycle in (None, delta.cycle)]


def drive(
    plan: LoadPlan,
    until: Callable[[Outcome], bool] | None = None,
    *,
    lead: float = 0.05,
    stretch: bool = True,
    clock: LeapingClock | None = None,
    loop: Callable[..., object] = uvloop.run,
) -> Outcome:
    """Run a plan to its end in this process, `lead` seconds from now: the engine without the processes around it.

    With `until` it is stopped as soon as what was reported is enough: for what takes as long as it takes. Without, the
    quiet part of an only cycle is stretched and ends when nothing is in flight, so that no busy machine cuts anything
    off; not without `stretch`. With a `clock` the plan's time is the clock's. Nothing is dropped because it is late.
    """
    outcome = Outcome([])
    alone = until is None and plan.cycles == 1 and stretch
    if alone:
        plan = replace(plan, cycle=plan.cycle + PATIENCE_S, quiet=plan.quiet + PATIENCE_S)

    async def watch(engine: Engine) -> None:
        while not (until(outcome) if until is not None else alone and engine.resumed > 0 and not outcome.in_flight):
            await asyncio.sleep(0.01)
            outcome.deltas.extend(engine.drain())
            outcome.in_flight = engine.accounts.in_flight
        engine.stop()

    async def go() -> None:
        engine = Engine(plan, clock.zero if clock is not None else time.monotonic() + lead)
        watching = asyncio.create_task(watch(engine))
        await asyncio.wait_for(engine.run(), 2 * PATIENCE_S)
        watching.cancel()
        outcome.deltas.extend(engine.drain())

    with patch.object(engine_module, "CATCH_UP_S", math.inf), clock.rules() if clock is not None else nullcontext():
        if clock is not None and until is None:
            clock.at_end = Engine.stop
        loop(go())
    return outcome


@contextmanager
def stays() -> Iterator[list[float]]:
    """Seconds between the moment when a hostile request was due to be sent and its end, as the client saw them."""
    found: list[float] = []
    faulted = Accounts.faulted

    def noting(accounts: Accounts, job: Job, kind: str, *, answered: bool) -> None:
        found.append(accounts.now() - job.fired)
        faulted(accounts, job, kind, answered=answered)

    with patch.object(Accounts, "faulted", noting):
        yield found


def burst(url: str, count: int, within: float, scenario: ScenarioPlan, **values: Any) -> LoadPlan:
    """`count` requests of a scenario, evenly within so many seconds, in a loaded part that goes on without any.

    To be driven `until=ended(count)`: what is under way is not cut off by the end of the loaded part.
    """
    loaded = 100 * within
    levels = (count / within, *([0.0] * 99))
    return LoadPlan(url, (scenario,), "steps", loaded + 10, 1, 10.0, levels=levels, **values)


def ended(count: int) -> Callable[[Outcome], bool]:
    """So many were due, and all of them are over."""
    return lambda so_far: so_far.total("due") >= count and not so_far.in_flight


def soon(url: str, count: int, *scenarios: ScenarioPlan, **values: Any) -> LoadPlan:
    """`count` arrivals within 1.2 s, after as long without any: a worker that is slow to start drops none of them.

    To be run `until` all is over: the quiet part has time for a machine that stands still.
    """
    cycle = 2.4 + PATIENCE_S
    shape = {"profile": "steps", "levels": (0.0, count / 1.2), "cycle": cycle, "cycles": 1, "quiet": PATIENCE_S}
    return LoadPlan(url, scenarios or (ScenarioPlan(),), **{**shape, "timeout": PATIENCE_S, **values})


def run(
    plan: LoadPlan,
    until: Callable[[Outcome], bool] = lambda _: False,
    during: Callable[[LoadGenerator, float], None] | None = None,
) -> Outcome:
    """Run a plan in its worker processes, to its end or until what was reported is enough."""
    generator = LoadGenerator(plan)
    outcome = Outcome([])
    generator.start(time.monotonic() + 0.5)
    try:
        while generator.running and not until(outcome):
            select.select([generator], [], [], 0.2)
            outcome.deltas += generator.poll()
            if during is not None:
                during(generator, time.monotonic())
        generator.stop(PATIENCE_S)
        outcome.deltas += generator.poll()
    finally:
        generator.close()
    return outcome
