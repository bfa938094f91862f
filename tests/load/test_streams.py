"""SSE and WebSocket scenarios against servers that know what they sent."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from threading import Event, Thread

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websockets
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from soak.load import LoadPlan, ScenarioPlan
from soak.load.engine import Engine
from soak.load.stream import Stream
from tests.common import PATIENCE_S, wait_until
from tests.load.clock import LeapingClock
from tests.load.conftest import Client, Outcome, WireServer, burst, drive, ended, stays

Serve = Callable[..., WireServer]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """One HTTP chunk."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def event(number: int) -> bytes:
    """One event with a running number."""
    return chunk(b"event: tick\ndata: " + json.dumps({"seq": number}).encode() + b"\n\n")


def events(numbers: list[int], every: float = 0.0) -> Callable[[Client], object]:
    """A server that sends these numbers and ends the stream."""

    async def handle(client: Client) -> None:
        await client.head()
        await client.send(HEAD)
        for number in numbers:
            await client.send(event(number))
            await asyncio.sleep(every)
        await client.send(b"0\r\n\r\n")
        client.ending = await client.until_end()

    return handle


def stream(url: str, kind: str = "sse", **scenario: object) -> Outcome:
    """Three streams, due at 0.1, 0.3 and 0.5 s, with all the time they need."""
    wanted = ScenarioPlan(kind=kind, **scenario)  # type: ignore[arg-type]
    return drive(burst(url, 3, 0.6, wanted, timeout=PATIENCE_S), until=ended(3))


def until_quiet(url: str, begun: Callable[[Stream], bool], **scenario: object) -> Outcome:
    """Streams that last until the loaded part ends, which it does not before all of them have `begun`."""
    wanted = ScenarioPlan(kind="sse", **scenario)  # type: ignore[arg-type]

    def all_begun(engine: Engine) -> bool:
        return all(begun(stream) for stream in engine.group(0).live)  # type: ignore[arg-type]

    plan = LoadPlan(url, (wanted,), cycle=1.2, cycles=1, quiet=0.2, timeout=PATIENCE_S)
    return drive(plan, clock=LeapingClock(all_begun))


ALL = ("order", "no-duplicates", "all-delivered")


def test_a_stream_that_is_whole_passes(serve: Serve) -> None:
    """Ten events in order: no error, each stream landed, thirty messages counted and timed."""
    server = serve(events(list(range(10)), 0.002))
    outcome = stream(server.url, validate=ALL, messages=10)
    assert outcome.counts("errors") == {}
    assert outcome.total("landed") == 3
    checks = outcome.counts("checks")
    assert (checks["streams"], checks["messages"]) == (3, 30)
    assert outcome.histogram("first_message").count == 3
    assert outcome.histogram("between_messages").count == 27


@pytest.mark.parametrize(
    ("numbers", "errors"),
    [
        ([1, 2, 4, 5], {"not_all-delivered": 3}),
        ([1, 2, 2, 3], {"not_no-duplicates": 3}),
        ([1, 3, 2, 4], {"not_order": 3}),
        ([], {"not_order": 3, "not_no-duplicates": 3, "not_all-delivered": 3}),
    ],
)
def test_what_is_wrong_with_a_stream_is_named(serve: Serve, numbers: list[int], errors: dict[str, int]) -> None:
    """A hole, a repeat and a swap are three different errors; an empty stream proves nothing."""
    outcome = stream(serve(events(numbers)).url, validate=ALL)
    assert outcome.counts("errors") == errors


def test_fewer_messages_than_announced_are_missing(serve: Serve) -> None:
    """Five were to come, the server ends after three: two are missing."""
    outcome = stream(serve(events([1, 2, 3])).url, validate=ALL, messages=5)
    assert outcome.counts("checks")["missing"] == 6
    assert outcome.counts("errors") == {"not_all-delivered": 3}


def test_a_stream_that_breaks_off_is_an_error(serve: Serve) -> None:
    """The server drops the connection without ending the chunks: `closed`, and what had come is counted."""

    async def breaking(client: Client) -> None:
        await client.head()
        await client.send(HEAD + event(1) + event(2))

    outcome = stream(serve(breaking).url, validate=ALL)
    assert outcome.counts("errors") == {"closed": 3}
    assert outcome.counts("checks")["messages"] == 6


def test_an_endless_stream_ends_with_its_duration_or_the_load(serve: Serve) -> None:
    """With 0.2 s to last, a stream is left after that; without, when the quiet part begins; neither is an error."""
    server = serve(events(list(range(1000)), 0.01))
    outcome = stream(server.url, duration=0.2, validate=ALL)
    assert outcome.counts("errors") == {}
    assert 0 < outcome.counts("checks")["messages"] < 1500, "of 3,000 that last for ten seconds"
    wait_until(lambda: all(client.closed for client in server.clients))
    assert min(client.closed - client.opened for client in server.clients) > 0.19
    server = serve(events(list(range(10_000)), 0.01))
    outcome = until_quiet(server.url, lambda stream: stream.check.messages > 5, count=1, validate=ALL)
    assert outcome.counts("errors") == {}
    assert 5 < outcome.counts("checks")["messages"] < 10_000


def test_an_abandoned_stream_is_left_after_its_first_message(serve: Serve) -> None:
    """One event every 30 ms: the client goes after the first."""
    server = serve(events(list(range(100)), 0.03))
    outcome = stream(server.url, faults={"abandon": 1.0})
    assert outcome.counts("faulted") == {"abandon": 3}
    assert outcome.total("landed") == 0
    assert wait_until(lambda: all(client.closed for client in server.clients))  # of a hundred events it heard few


def test_an_abandoned_stream_can_be_left_before_its_first_message(serve: Serve) -> None:
    """`hold` counts from the connection: the client goes although nothing was answered."""

    async def silent(client: Client) -> None:
        await client.head()
        client.ending = await client.until_end()

    server = serve(silent)
    with stays() as seconds:
        outcome = stream(server.url, faults={"abandon": 1.0}, hold=0.1)
    assert outcome.counts("faulted") == {"abandon": 3}
    assert min(seconds) > 0.09
    assert wait_until(lambda: len(server.clients) == 3 and all(client.closed for client in server.clients))


def test_a_refused_stream_lands_as_an_error(serve: Serve) -> None:
    """A 404 is an answer, and not the one that was wanted."""

    async def refuse(client: Client) -> None:
        await client.head()
        await client.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    outcome = stream(serve(refuse).url)
    assert outcome.counts("errors") == {"status_404": 3}
    assert outcome.total("landed") == 3


# WebSockets, against the `websockets` library ------------------------------------------------------------------------


def _first(connection: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return offered[0] if offered else None


class WebSockets:
    """A websockets server in a thread; notes what clients offered, sent and how they left."""

    def __init__(self, handler: Callable[[WebSockets, ServerConnection], object]) -> None:
        self.offered: list[str | None] = []
        self.received: list[list[str]] = []  # by each client
        self.codes: list[int | None] = []
        self._handler = handler
        self._ready, self._stop = Event(), Event()
        self._thread = Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()
        assert self._ready.wait(PATIENCE_S)

    async def _run(self) -> None:
        patience = {"open_timeout": PATIENCE_S, "close_timeout": PATIENCE_S, "ping_interval": None}
        async with serve_websockets(self._serve, "127.0.0.1", 0, select_subprotocol=_first, **patience) as server:
            self.url = f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
            self._ready.set()
            while not self._stop.is_set():
                await asyncio.sleep(0.02)

    async def _serve(self, connection: ServerConnection) -> None:
        self.offered.append(connection.subprotocol)
        with contextlib.suppress(ConnectionClosed):
            await self._handler(self, connection)  # type: ignore[misc]
        self.codes.append(connection.close_code)

    def stop(self) -> None:
        """End it."""
        self._stop.set()
        self._thread.join(PATIENCE_S)


@pytest.fixture
def websockets() -> Iterator[Callable[..., WebSockets]]:
    """Starts websockets servers that are stopped after the test."""
    servers: list[WebSockets] = []

    def start(handler: Callable[[WebSockets, ServerConnection], object]) -> WebSockets:
        servers.append(WebSockets(handler))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


async def ticking(server: WebSockets, connection: ServerConnection) -> None:
    """Numbers every 10 ms, a ping in between, a long message now and then."""
    for number in range(1000):
        await connection.send(json.dumps({"seq": number, "pad": "x" * (70_000 if number % 5 == 3 else number)}))
        await asyncio.wait_for(await connection.ping(), PATIENCE_S)
        await asyncio.sleep(0.01)


async def chatting(server: WebSockets, connection: ServerConnection) -> None:
    """Acknowledges each message, then waits."""
    heard: list[str] = []
    server.received.append(heard)
    async for message in connection:
        heard.append(str(message))
        await connection.send(f"ack {message}")


def test_a_websocket_delivers_in_order_and_closes_well(websockets: Callable[..., WebSockets]) -> None:
    """Short and long messages arrive in order, pings are answered, the close frame says 1000."""
    server = websockets(ticking)
    outcome = stream(server.url, "websocket", messages=10, validate=ALL)
    assert outcome.counts("errors") == {}
    assert outcome.total("landed") == 3
    assert outcome.counts("checks")["messages"] == 30
    assert wait_until(lambda: server.codes[:3] == [1000] * 3)


def test_an_endless_websocket_ends_with_its_duration(websockets: Callable[..., WebSockets]) -> None:
    """With 0.2 s to last, each is closed after that, in good order and long before the server has told everything."""
    server = websockets(ticking)
    outcome = stream(server.url, "websocket", duration=0.2, validate=ALL)
    assert outcome.counts("errors") == {}
    assert outcome.total("landed") == 3
    assert 0 < outcome.counts("checks")["messages"] < 1500, "of 3,000 that last for ten seconds"
    assert wait_until(lambda: server.codes == [1000] * 3)


def test_a_websocket_sends_and_offers_what_it_was_told(websockets: Callable[..., WebSockets]) -> None:
    """The subprotocol is agreed, both messages arrive, and after the second answer the stream is complete."""
    server = websockets(chatting)
    outcome = stream(server.url, "websocket", subprotocols=("chat",), send=("one", "two"), messages=2)
    assert outcome.counts("errors") == {}
    assert server.offered == ["chat"] * 3
    assert server.received == [["one", "two"]] * 3


def test_a_websocket_is_abandoned_right_after_a_message(websockets: Callable[..., WebSockets]) -> None:
    """`until` names the message; the connection drops without a close frame (1006 at the server)."""
    server = websockets(chatting)
    outcome = stream(server.url, "websocket", send=("one", "two"), until="ack two", faults={"abandon": 1.0})
    assert outcome.counts("faulted") == {"abandon": 3}
    assert server.received == [["one", "two"]] * 3
    assert wait_until(lambda: server.codes == [1006] * 3)


def test_a_websocket_is_held_and_then_abandoned(websockets: Callable[..., WebSockets]) -> None:
    """`hold` alone counts from the handshake; with `until`, from that message."""
    for extra in ({}, {"until": "ack one"}):
        server = websockets(chatting)
        with stays() as seconds:
            outcome = stream(server.url, "websocket", send=("one",), hold=0.1, faults={"abandon": 1.0}, **extra)
        assert outcome.counts("faulted") == {"abandon": 3}
        assert min(seconds) > 0.09
        assert wait_until(lambda codes=server.codes: codes == [1006] * 3)


def test_a_server_that_only_speaks_http_is_no_websocket(serve: Serve) -> None:
    """A 200 to the handshake is an error."""

    async def plain(client: Client) -> None:
        await client.head()
        await client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    outcome = stream(serve(plain).url, "websocket")
    assert outcome.counts("errors") == {"status_200": 3}


# Limits ----------------------------------------------------------------------------------------------------------


def limited(places: int, open_now: set[int]) -> Callable[[Client], object]:
    """A server with so many places; the next client is refused with 503."""

    async def handle(client: Client) -> None:
        await client.head()
        if len(open_now) >= places:
            await client.send(b"HTTP/1.1 503 Full\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        open_now.add(client.number)
        try:
            await client.send(HEAD + event(1))
            client.ending = await client.until_end()
        finally:
            open_now.discard(client.number)

    return handle


@pytest.mark.parametrize(("places", "errors"), [(10, {}), (11, {"not_refused": 1}), (8, {"status_503": 2})])
def test_the_stream_over_the_limit_is_refused(serve: Serve, places: int, errors: dict[str, int]) -> None:
    """Eleven streams at once, one to be refused: right with ten places, and named when it is not so; none stays."""
    open_now: set[int] = set()
    server = serve(limited(places, open_now))
    outcome = until_quiet(server.url, lambda stream: stream.accepted, streams=11, expect_refused=1)
    assert outcome.counts("errors") == errors
    assert outcome.total("due") == 11
    assert outcome.total("landed") == 11
    assert wait_until(lambda: not open_now)
    assert outcome.total("withheld") == 0
