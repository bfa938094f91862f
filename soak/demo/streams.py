"""Streams of the bundled target: numbered messages over SSE and WebSocket, so many at once and no more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from soak.demo.flags import Flags

_FASTEST, _LONGEST = 1000.0, 1_000_000
FAULTS = ("swap", "repeat", "skip")  # what `?fault=` does to every tenth message


class Streams:
    """Numbered messages at a rate; `limit` streams at once, 0 is no limit."""

    def __init__(self, flags: Flags, *, limit: int) -> None:
        self._flags = flags
        self._limit = limit
        self.open = 0
        self.refused = 0

    def routes(self) -> list[BaseRoute]:
        """GET /events (SSE), /ws (WebSocket): rate=10, count=600, fault=swap|repeat|skip; /echo (WebSocket)."""
        return [
            Route("/events", self.events),
            WebSocketRoute("/ws", self.messages),
            WebSocketRoute("/echo", self.echo),
        ]

    async def events(self, request: Request) -> Response:
        """Server-sent events with a running number; 503 and Retry-After over the limit."""
        if self._full():
            return PlainTextResponse("too many streams", status_code=503, headers={"Retry-After": "1"})
        self.open += 1
        return _EventStream(self, _events(request))

    async def messages(self, socket: WebSocket) -> None:
        """The same messages over a WebSocket; refused with close code 1013 (try again later) over the limit."""
        if self._full():
            await socket.close(1013)
            return
        self.open += 1
        try:
            await socket.accept(next(iter(socket.scope.get("subprotocols", [])), None))
            async for text in _paced(socket):
                await socket.send_text(text)
            await socket.close()
        except (WebSocketDisconnect, RuntimeError):
            pass  # the client left; there is nobody to tell
        finally:
            self.open -= 1

    async def echo(self, socket: WebSocket) -> None:
        """Send back each text, wrapped as {"echo": …}."""
        await socket.accept(next(iter(socket.scope.get("subprotocols", [])), None))
        try:
            async for text in socket.iter_text():
                await socket.send_json({"echo": text})
        except (WebSocketDisconnect, RuntimeError):
            pass  # the client left in the middle of an answer

    def _full(self) -> bool:
        full = not self._flags.streaming or 0 < self._limit <= self.open
        self.refused += full
        return full


class _EventStream(StreamingResponse):
    """Counts itself out when it ends, also when the client left before the first message."""

    def __init__(self, streams: Streams, events: AsyncIterator[str]) -> None:
        super().__init__(events, media_type="text/event-stream", headers={"Cache-Control": "no-store"})
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until the end or until the client leaves."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._streams.open -= 1


async def _events(request: Request) -> AsyncIterator[str]:
    async for text in _paced(request):
        yield f"id: {json.loads(text)['seq']}\ndata: {text}\n\n"


async def _paced(connection: HTTPConnection) -> AsyncIterator[str]:
    """The messages, each at its own absolute moment so that the rate holds over the whole stream."""
    query = connection.query_params
    rate = min(max(float(query.get("rate", 10.0)), 0.001), _FASTEST)
    count = min(int(query.get("count", 600)), _LONGEST)
    loop = asyncio.get_running_loop()
    began = loop.time()
    for sent, number in enumerate(numbers(count, query.get("fault", ""))):
        await asyncio.sleep(max(0.0, began + sent / rate - loop.time()))
        yield json.dumps({"seq": number})


def numbers(count: int, fault: str) -> Iterator[int]:
    """0 … count-1, with every tenth message swapped with the next, repeated or left out when a fault is asked for."""
    number = 0
    while number < count:
        tenth = number % 10 == 9
        if fault == "swap" and tenth and number + 1 < count:
            yield from (number + 1, number)
            number += 2
            continue
        if not (fault == "skip" and tenth):
            yield number
        if fault == "repeat" and tenth:
            yield number
        number += 1
