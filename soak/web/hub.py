"""Messages to many browsers: each has a bounded queue, and who does not keep up is dropped, never waited for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from soak.web.guard import Receive, Scope, Send

MOST = 100  # listeners at once
WAITING = 64  # messages that may wait for one listener: about half a minute
PATIENCE = 15.0  # seconds for one message to be taken by the network
SILENCE = 15.0  # seconds after which an empty line proves that somebody still listens
HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]
_ALIVE = b": \n\n"
_END = b""


@dataclass(frozen=True, slots=True)
class Message:
    """One event, for everybody or for those who look at one run."""

    event: str
    data: Mapping[str, Any]
    run: int | None = None

    def encoded(self) -> bytes:
        """As it goes over the wire; JSON has no line breaks in it."""
        return f"event: {self.event}\ndata: {json.dumps(self.data, separators=(',', ':'))}\n\n".encode()


class Listener:
    """One browser."""

    def __init__(self, run: int | None) -> None:
        self.run = run
        self.queue: asyncio.Queue[bytes] = asyncio.Queue(WAITING)
        self.dropped = False

    def put(self, data: bytes) -> None:
        """For the queue; when it is full the listener is dropped: the browser connects again and reads afresh."""
        if not self.dropped:
            try:
                self.queue.put_nowait(data)
            except asyncio.QueueFull:
                self.drop()

    def drop(self) -> None:
        """Nothing more for this one."""
        self.dropped = True
        while not self.queue.empty():
            self.queue.get_nowait()
        self.queue.put_nowait(_END)


class Hub:
    """Everybody who listens; lives in one event loop."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._listeners)

    @property
    def full(self) -> bool:
        """Is there no room for one more?"""
        return self._closed or len(self._listeners) >= MOST

    @property
    def watched(self) -> set[int]:
        """The runs that somebody looks at."""
        return {listener.run for listener in self._listeners if listener.run is not None}

    def publish(self, message: Message) -> None:
        """To everybody whom it concerns; encoded once for all of them."""
        data = message.encoded()
        for listener in self._listeners:
            if message.run is None or message.run == listener.run:
                listener.put(data)

    def close(self) -> None:
        """Send everybody away, for good."""
        self._closed = True
        for listener in self._listeners:
            listener.drop()

    async def serve(
        self, run: int | None, first: list[Message], receive: Receive, send: Send, *, joined: Callable[[], None]
    ) -> None:
        """Answer one request with `first` and then with what is published, until either side has enough."""
        listener = Listener(run)
        for message in first:
            listener.put(message.encoded())
        self._listeners.add(listener)
        joined()
        gone = asyncio.ensure_future(_gone(receive))
        gone.add_done_callback(lambda _: listener.drop())
        try:
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            await _pump(listener, send)
        except TimeoutError:  # the network took nothing for PATIENCE seconds: the kernel ends the connection
            return
        finally:
            self._listeners.discard(listener)
            gone.cancel()


async def _pump(listener: Listener, send: Send) -> None:
    while not listener.dropped:
        try:
            data = await asyncio.wait_for(listener.queue.get(), SILENCE)
        except TimeoutError:
            data = _ALIVE
        if data != _END:
            await asyncio.wait_for(send({"type": "http.response.body", "body": data, "more_body": True}), PATIENCE)
    await asyncio.wait_for(send({"type": "http.response.body", "body": b"", "more_body": False}), PATIENCE)


async def _gone(receive: Receive) -> None:
    """Until the browser hangs up."""
    while (await receive())["type"] != "http.disconnect":
        pass


def run_of(scope: Scope) -> int | None:
    """The run that a request asks to follow: `?run=12`."""
    for part in scope["query_string"].decode("latin-1").split("&"):
        name, _, value = part.partition("=")
        if name == "run" and value.isdecimal() and len(value) < 19:
            return int(value)
    return None
