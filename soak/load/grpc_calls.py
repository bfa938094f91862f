"""gRPC scenarios, unary and server streaming: `path` is /package.Service/Method, `json` the request message.

grpcio is an extra; it is imported only where such a scenario is. The channel is closed when the quiet part begins.
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc

from soak.load.grpc_proto import Method, UnknownMethod, method_from_server, method_from_set
from soak.load.validate import JsonPath, StreamCheck

if TYPE_CHECKING:
    from soak.load.accounts import Job
    from soak.load.engine import Engine
    from soak.load.plan import ScenarioPlan

LEAVE_AFTER_S = 0.05  # an abandoned unary call
_OK = 200  # what a good answer counts as where the accounts want a status


class GrpcRunner:
    """Calls one method; requests are encoded once, answers are only decoded when a sequence is to be checked."""

    def __init__(self, engine: Engine, scenario: ScenarioPlan) -> None:
        self._engine = engine
        self._scenario = scenario
        self._channel: grpc.aio.Channel | None = None
        self._method: Method | None = None
        self._request = b""
        self._preparing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._path = JsonPath(scenario.sequence or "$.seq") if scenario.sequence or scenario.validate else None

    def start(self, job: Job, fault: str | None) -> None:
        """Make one call."""
        task = asyncio.get_running_loop().create_task(self._call(job, abandon=fault is not None))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def rest(self) -> None:
        """Calls end, and so does the connection."""
        for task in list(self._tasks):  # by way of `call_soon`: cancelled before its first step, nobody would count it
            asyncio.get_running_loop().call_soon(task.cancel)
        channel, self._channel = self._channel, None
        if channel is not None:
            closing = asyncio.get_running_loop().create_task(channel.close())
            self._tasks.add(closing)
            closing.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        """Calls are cut off, the channel closes."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _call(self, job: Job, *, abandon: bool) -> None:
        accounts = self._engine.accounts
        check = StreamCheck(self._path, self._scenario.validate)
        try:
            method = await self._prepared()
            if method.streaming:
                await self._stream(job, method, check, abandon=abandon)
            else:
                await self._unary(job, method, abandon=abandon)
        except grpc.aio.AioRpcError as error:
            self._refused(job, error.code().name)
        except UnknownMethod:
            accounts.failed(job, "grpc_unknown_method")
        except asyncio.CancelledError:
            if job.answered:
                self._finish(job, check, None)
            else:
                accounts.cut(job)

    async def _prepared(self) -> Method:
        async with self._preparing:
            if self._method is None:
                proto, path = self._scenario.proto, self._scenario.path
                if proto:
                    self._method = method_from_set(path, Path(self._engine.plan.folder, proto))
                else:
                    self._method = await method_from_server(path, self._open())
                self._request = self._method.encode(json.loads(self._scenario.body or b"{}"))
        return self._method

    def _open(self) -> grpc.aio.Channel:
        if self._channel is None:
            endpoint = self._engine.endpoint
            address = f"{endpoint.host}:{endpoint.port}"
            if endpoint.tls:
                self._channel = grpc.aio.secure_channel(address, grpc.ssl_channel_credentials())
            else:
                self._channel = grpc.aio.insecure_channel(address)
        return self._channel

    def _options(self) -> dict[str, Any]:
        return {"metadata": [(name.lower(), value) for name, value in self._scenario.headers.items()]}

    async def _unary(self, job: Job, method: Method, *, abandon: bool) -> None:
        timeout = self._engine.plan.timeout
        call = self._open().unary_unary(method.path)(self._request, timeout=timeout, **self._options())
        if abandon:
            await asyncio.wait([asyncio.ensure_future(_settled(call))], timeout=LEAVE_AFTER_S)
            call.cancel()
            self._engine.accounts.faulted(job, "abandon", answered=False)
            return
        await call
        self._engine.accounts.landed(job, self._scenario, self._status(), None)

    async def _stream(self, job: Job, method: Method, check: StreamCheck, *, abandon: bool) -> None:
        scenario, accounts, tally = self._scenario, self._engine.accounts, job.tally
        call = self._open().unary_stream(method.path)(self._request, **self._options())
        until = None if scenario.duration is None else time.monotonic() + scenario.duration
        last = 0.0
        try:
            async with asyncio.timeout(self._engine.plan.timeout) as patience:
                async for data in call:
                    now = time.monotonic()
                    if abandon:
                        accounts.faulted(job, "abandon", answered=True)
                        return
                    if not job.answered:
                        accounts.answered(job, scenario, self._status(), None, good=True)
                        tally.first_message.record(accounts.now() - job.intended)
                        patience.reschedule(None if until is None else asyncio.get_running_loop().time() + until - now)
                    else:
                        tally.between_messages.record(now - last)
                    last = now
                    check.saw(method.decode(data) if self._path else data)
                    if check.messages == scenario.messages:
                        break
        except TimeoutError:
            if not job.answered:
                accounts.failed(job, "timeout")
                return
        finally:
            call.cancel()
        if not job.answered:  # a stream without a single message is an answer too
            accounts.answered(job, scenario, self._status(), None, good=True)
        ended_by_us = until is not None and time.monotonic() >= until
        self._finish(job, check, None if ended_by_us else scenario.messages)

    def _finish(self, job: Job, check: StreamCheck, expected: int | None) -> None:
        results = check.results(expected)
        broken = check.broken(results)
        for name, count in results.items():
            job.tally.check(name, count)
        for kind in broken:
            job.tally.error(kind)
        self._engine.accounts.end(job, not broken)

    def _refused(self, job: Job, code: str) -> None:
        """The call ended with a status other than OK: an answer, unless the target could not be reached in time."""
        accounts = self._engine.accounts
        if code == "DEADLINE_EXCEEDED":
            accounts.failed(job, "timeout")
        elif code == "UNAVAILABLE" and not job.answered:
            accounts.failed(job, "refused")
        elif job.answered:
            accounts.failed(job, f"grpc_{code.lower()}")
        else:
            accounts.disappointed(job, f"grpc_{code.lower()}", answered=True)

    def _status(self) -> int:
        return self._scenario.status[0] if self._scenario.status else _OK


async def _settled(call: Any) -> None:
    """Wait for the end of a call, however it ends."""
    try:
        await call
    except (grpc.aio.AioRpcError, asyncio.CancelledError):
        return
