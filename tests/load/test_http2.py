"""HTTP/2: against hypercorn, and against servers that reset, refuse, say goodbye or talk nonsense."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest
from h2.errors import ErrorCodes
from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config
from hypothesis import given, settings
from hypothesis import strategies as st

from soak.load import LoadPlan, ScenarioPlan
from soak.load.engine import Engine
from soak.load.http2 import Frames
from tests.common import PATIENCE_S, accepts, free_port, wait_until
from tests.load.clock import LeapingClock
from tests.load.conftest import Client, Outcome, WireServer, certificate, drive, hello

Serve = Callable[..., WireServer]


def plan(url: str, *scenarios: ScenarioPlan, **values: Any) -> LoadPlan:
    """Twenty requests in a second, with all the time in the world to be answered."""
    load = {"cycle": 2.0, "cycles": 1, "quiet": 1.0, "timeout": PATIENCE_S, "http2": "on", **values}
    return LoadPlan(url, scenarios or (ScenarioPlan(count=20),), **load)


def all_over(outcome: Outcome, count: int = 20) -> bool:
    """Everything due has ended."""
    unanswered = sum(number for kind, number in outcome.errors.items() if not kind.startswith("status_"))
    return outcome.total("landed") + unanswered >= count


def patient(wanted: LoadPlan, count: int = 20) -> Outcome:
    """Run until everything due has ended, however long the quiet part would have to be for that."""
    wanted = replace(wanted, cycle=wanted.cycle + PATIENCE_S, quiet=wanted.quiet + PATIENCE_S)
    return drive(wanted, until=lambda so_far: all_over(so_far, count))


class Hypercorn:
    """hypercorn in a thread of its own, with an application that answers what it was sent."""

    def __init__(self, folder: Path | None) -> None:
        self.requests: list[tuple[str, str, int]] = []  # version, path, bytes of the body
        self.clients: set[tuple[str, int]] = set()
        config = Config()
        self.port = free_port()
        config.bind = [f"127.0.0.1:{self.port}"]
        config.accesslog = config.errorlog = None
        config.keep_alive_timeout = 10 * PATIENCE_S  # not even a machine that stands still makes a connection stale
        if folder is not None:
            config.certfile, config.keyfile = str(folder / "cert.pem"), str(folder / "key.pem")
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, args=(config,), daemon=True)
        self._thread.start()

    def _run(self, config: Config) -> None:
        self._loop.run_until_complete(hypercorn_serve(self._app, config, shutdown_trigger=self._stop.wait))  # type: ignore[arg-type]

    async def _app(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise NotImplementedError
        size = 0
        while True:
            message = await receive()
            size += len(message.get("body", b""))
            if not message.get("more_body"):
                break
        self.requests.append((scope["http_version"], scope["path"], size))
        self.clients.add(scope["client"])
        status = int(scope["path"][1:]) if scope["path"][1:].isdigit() else 200
        await send({"type": "http.response.start", "status": status, "headers": [(b"retry-after", b"1")]})
        await send({"type": "http.response.body", "body": b"z" * (2_000_000 if scope["path"] == "/large" else 2)})

    def wait(self) -> None:
        """Until it listens."""
        wait_until(lambda: accepts(self.port))

    def stop(self) -> None:
        """End it."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(PATIENCE_S)


@pytest.fixture
def start() -> Iterator[Callable[..., Hypercorn]]:
    """Starts servers that are stopped after the test."""
    started: list[Hypercorn] = []

    def begin(folder: Path | None = None) -> Hypercorn:
        started.append(Hypercorn(folder))
        started[-1].wait()
        return started[-1]

    yield begin
    for server in started:
        server.stop()


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("http2", ["on", "auto"])
def test_a_real_server_is_spoken_to_in_http2(
    start: Callable[..., Hypercorn], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: bool, http2: str
) -> None:
    """By ALPN over TLS, with prior knowledge without; `auto` does not guess where there is no ALPN."""
    if tls:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate(tmp_path)[0]))
    server = start(tmp_path if tls else None)
    url = f"{'https' if tls else 'http'}://127.0.0.1:{server.port}"
    read = ScenarioPlan("read", path="/r", count=10)
    write = ScenarioPlan("write", method="POST", path="/w", body=b"b" * 300_000, count=10)
    outcome = patient(plan(url, read, write, http2=http2))
    assert outcome.errors == {}
    assert outcome.total("landed") == 20
    versions = {version for version, _, _ in server.requests}
    assert versions == ({"1.1"} if http2 == "auto" and not tls else {"2"})
    assert sorted({(path, size) for _, path, size in server.requests}) == [("/r", 0), ("/w", 300_000)]
    assert versions == {"1.1"} or len(server.clients) == 1


def test_statuses_and_push_back_count_as_over_http1(start: Callable[..., Hypercorn]) -> None:
    """A 404 is an error that lands; a 503 with Retry-After holds the rest back."""
    server = start()
    url = f"http://127.0.0.1:{server.port}"
    missing = patient(plan(url, ScenarioPlan(path="/404", count=5)), 5)
    assert (missing.errors, missing.total("landed")) == ({"status_404": 5}, 5)
    busy = drive(plan(url, ScenarioPlan(path="/503", count=20), cycle=1.5, quiet=0.5), clock=LeapingClock())
    assert (busy.errors, busy.total("withheld")) == ({"status_503": 1}, 19)


def test_large_answers_keep_the_windows_open(start: Callable[..., Hypercorn]) -> None:
    """2 MB each, more than the windows of stream and connection: they are opened again as the data comes."""
    server = start()
    outcome = patient(plan(f"http://127.0.0.1:{server.port}", ScenarioPlan(path="/large", count=5)), 5)
    assert (outcome.errors, outcome.total("landed")) == ({}, 5)


def test_a_server_without_http2_is_an_error_or_gets_http1(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`on` insists and says so; `auto` goes on with what the server chose."""
    path, context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    server = serve(hello, tls=context)
    url = server.url.replace("http:", "https:")
    refused = drive(plan(url, ScenarioPlan(count=5), cycle=1.5, quiet=0.5))
    assert set(refused.errors) == {"no_http2"}
    assert refused.total("landed") == 0
    agreed = patient(plan(url, http2="auto"))
    assert (agreed.errors, agreed.total("landed")) == ({}, 20)
    assert all(b"HTTP/1.1\r\n" in client.received for client in server.clients if client.received)


# Servers that do not behave -------------------------------------------------------------------------------------------

Answer = Callable[[h2.connection.H2Connection, int, int], None]  # connection, number of the stream, how many there were


def speaking(answer: Answer, streams: int = 100) -> Callable[[Client], Any]:
    """A server of HTTP/2 that allows so many streams and treats each request in this way."""

    async def handle(client: Client) -> None:
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        limit = {h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: streams}
        connection.local_settings = h2.settings.Settings(client=False, initial_values=limit)
        connection.initiate_connection()
        await client.send(connection.data_to_send())
        count = 0
        while True:
            data = await client.reader.read(1 << 16)
            if not data:
                return
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    count += 1
                    answer(connection, event.stream_id or 0, count)
            await client.send(connection.data_to_send())

    return handle


def well(connection: h2.connection.H2Connection, stream: int, count: int) -> None:
    """As it should be."""
    connection.send_headers(stream, [(":status", "200")])
    connection.send_data(stream, b"ok", end_stream=True)


def test_a_server_that_allows_one_stream_at_a_time_gets_more_connections(serve: Serve) -> None:
    """Five users at a limit of one: five connections and never two on one of them, no error."""
    server = serve(speaking(well, streams=1))
    wanted = plan(server.url, ScenarioPlan(), profile="constant", users=5, cycle=2 * PATIENCE_S)
    outcome = drive(wanted, until=lambda so_far: so_far.total("landed") > 50 and len(server.clients) == 5)
    assert outcome.errors == {}


def test_a_server_that_allows_no_stream_is_an_error(serve: Serve) -> None:
    """Each connection says so once: errors and then an outage, not one connection after the other."""
    server = serve(speaking(well, streams=0))
    outcome = drive(plan(server.url, cycle=1.5, quiet=0.5), clock=LeapingClock())
    assert (outcome.errors, outcome.total("withheld")) == ({"refused_stream": 3}, 17)
    assert len(server.clients) == 3


def test_a_reset_stream_is_an_error_and_a_refused_one_is_sent_again(serve: Serve) -> None:
    """RST_STREAM with INTERNAL_ERROR is counted, with REFUSED_STREAM it is tried once more."""

    def reset(connection: h2.connection.H2Connection, stream: int, count: int) -> None:
        if count == 3:
            connection.reset_stream(stream, ErrorCodes.INTERNAL_ERROR)
        elif count == 5:
            connection.reset_stream(stream, ErrorCodes.REFUSED_STREAM)
        else:
            well(connection, stream, count)

    outcome = patient(plan(serve(speaking(reset)).url))
    assert (outcome.errors, outcome.total("landed")) == ({"stream_reset": 1}, 19)


def test_goaway_costs_no_request(serve: Serve) -> None:
    """After the fourth request the server says goodbye and answers what it had: the rest goes to a new connection."""

    def leaving(connection: h2.connection.H2Connection, stream: int, count: int) -> None:
        well(connection, stream, count)
        if count == 4:
            goaway = b"\x00\x00\x08\x07\x00\x00\x00\x00\x00" + stream.to_bytes(4, "big") + bytes(4)
            connection._data_to_send = bytearray(goaway) + connection._data_to_send  # before the answer, as some do

    server = serve(speaking(leaving))
    outcome = drive(plan(server.url), clock=LeapingClock())
    assert (outcome.errors, outcome.total("landed")) == ({}, 20)
    assert len(server.clients) == 5


def test_what_comes_after_the_last_stream_of_a_goaway_is_sent_again(serve: Serve) -> None:
    """Twenty at once, of which the first connection takes four: the second one gets the others."""
    goodbyes = [0]

    def leaving(connection: h2.connection.H2Connection, stream: int, count: int) -> None:
        if goodbyes[0]:
            well(connection, stream, count)
        elif count == 4:
            goodbyes[0] += 1
            for taken in (1, 3, 5, 7):
                well(connection, taken, count)
            goaway = b"\x00\x00\x08\x07\x00\x00\x00\x00\x00" + stream.to_bytes(4, "big") + bytes(4)
            connection._data_to_send = bytearray(goaway) + connection._data_to_send

    server = serve(speaking(leaving))
    outcome = drive(plan(server.url), clock=LeapingClock(lambda _: True))
    assert (outcome.errors, outcome.total("landed")) == ({}, 20)
    assert len(server.clients) == 2


@pytest.mark.parametrize(
    ("said", "kinds"),
    [
        (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", {"malformed"}),
        (b"\xff" * 100, {"malformed"}),
        (b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00", {"malformed"}),  # WINDOW_UPDATE by nothing
        (b"", {"closed"}),
    ],
)
def test_nonsense_ends_as_an_error(serve: Serve, said: bytes, kinds: set[str]) -> None:
    """A server that answers in HTTP/1.1, in garbage, with a forbidden frame, or not at all."""

    async def bad(client: Client) -> None:
        await client.exactly(24)
        await client.send(said)

    outcome = drive(plan(serve(bad).url, cycle=1.5, quiet=0.5))
    assert set(outcome.errors) == kinds
    assert outcome.total("withheld") + sum(outcome.errors.values()) == 20


def test_silence_times_out_stream_by_stream(serve: Serve) -> None:
    """Every other request is never answered: those are timeouts, the others land on the same connection."""

    seen = [0]

    def half(connection: h2.connection.H2Connection, stream: int, count: int) -> None:
        seen[0] += 1
        if count % 2:
            well(connection, stream, count)

    def the_others_are_answered(engine: Engine) -> bool:
        return engine.accounts.in_flight == seen[0] // 2

    def all_timed_out(so_far: Outcome) -> bool:
        if so_far.total("landed") == 10 and so_far.total("due") == 20:
            clock.now = clock.zero + 10.0
        return all_over(so_far)

    server, clock = serve(speaking(half)), LeapingClock(the_others_are_answered)
    wanted = plan(server.url, timeout=2.0, cycle=1.0 + PATIENCE_S, quiet=PATIENCE_S)
    outcome = drive(wanted, until=all_timed_out, clock=clock)
    assert (outcome.errors, outcome.total("landed")) == ({"timeout": 10}, 10)
    assert len(server.clients) == 1


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=40)), max_size=8), st.integers(1, 50))
def test_frames_come_out_as_they_went_in(frames: list[tuple[int, bytes]], size: int) -> None:
    """Whatever the pieces, the same frames."""
    whole = [len(body).to_bytes(3, "big") + bytes([kind, 0, 0, 0, 0, 1]) + body for kind, body in frames]
    data, reader = b"".join(whole), Frames()
    found = [frame for i in range(0, len(data), size) for frame in reader.feed(data[i : i + size])]
    assert found == [(kind, frame) for (kind, _), frame in zip(frames, whole, strict=True)]
