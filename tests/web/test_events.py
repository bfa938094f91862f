"""The stream: told once for everybody, nobody waited for, nothing left behind."""

from __future__ import annotations

import itertools
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from soak.progress import Status
from soak.standing import Patience
from soak.web import feed, hub
from soak.web.hub import Hub, Listener, Message
from soak_storage import Store
from soak_storage.records import CycleRow, LoadWindowRow, SampleRow
from tests.common import wait_until
from tests.web.conftest import Serve, Served, running


class Stream:
    """A listener as a browser is one, with everything that it was told."""

    def __init__(self, served: Served, path: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", served.part.port))
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        self.received = b""
        self.ended = False
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            while data := self.socket.recv(65536):
                self.received += data
        except OSError:
            pass
        self.ended = True

    def close(self) -> None:
        """Hang up, also while the reader waits."""
        with suppress(OSError):  # the server may have hung up before
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    @property
    def text(self) -> str:
        """Everything that came so far."""
        return self.received.decode(errors="replace")

    def told(self, event: str) -> list[dict[str, Any]]:
        """The data of every message of that kind."""
        parts = self.text.replace("\r\n", "\n").split(f"event: {event}\ndata: ")[1:]
        return [json.loads(part.split("\n")[0]) for part in parts if "\n" in part]


@contextmanager
def listening(served: Served, path: str = "/api/events") -> Iterator[Stream]:
    """A stream that hangs up at the end."""
    stream = Stream(served, path)
    try:
        yield stream
    finally:
        stream.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for news twenty times a second."""
    monkeypatch.setattr(feed, "EVERY", 0.05)


def hub_of(served: Served) -> Hub:
    """Everybody who listens there."""
    assert served.part.api is not None
    return served.part.api.hub


def asleep(served: Served) -> bool:
    """Whether its feed asks for no news."""
    assert served.part.api is not None
    asking = served.part.api._feed._task
    return asking is not None and asking.done()


def test_a_browser_is_told_how_everything_stands(serve: Serve) -> None:
    """At once, and again when it changes."""
    served = serve()
    with listening(served) as stream:
        wait_until(lambda: bool(stream.told("status") and stream.told("runs") and stream.told("alerts")))
        assert stream.told("status")[0]["phase"] == "idle"
        assert "text/event-stream" in stream.text and "content-security-policy" in stream.text
        served.standing.begin(Patience())
        wait_until(lambda: stream.told("status")[-1]["phase"] == "starting")
        served.standing.progress(Status(7, 1.0, 0, 3, "load", 5.0, 1e6, 9.0, 4, 0, None))
        wait_until(lambda: bool(stream.told("status")[-1]["run"]))


def test_the_points_of_a_run_come_to_those_who_look_at_it(serve: Serve, store: Store) -> None:
    """Samples, load and turns of cycles; somebody who looks at something else hears nothing of it."""
    run, other = running(store), running(store)
    store.write(run, [SampleRow(1.0, "rss", "bytes", 5.0, gates=True), SampleRow(1.0, "rss", "bytes", 5.0, "1:main")])
    served = serve()
    with listening(served, f"/api/events?run={run}") as mine, listening(served, f"/api/events?run={other}") as theirs:
        wait_until(lambda: bool(mine.told("points")))
        assert mine.told("points")[0]["series"] == {"rss": [[1.0, 5.0]]}, (
            "what is new is told again from a little before"
        )
        window = LoadWindowRow(1.0, 2.0, 0, "load", "list", 9, 9, 8, 1, 0)
        store.write(run, [window, *(SampleRow(float(t), "rss", "bytes", 6.0, gates=True) for t in (2, 3, 4, 5))])
        wait_until(lambda: any(told["load"] for told in mine.told("points")))
        assert [rows for told in mine.told("points") for rows in told["series"].get("rss", [])][-1] == [5.0, 6.0], (
            "load is told up to the newest sample that was told"
        )
        assert [told["load"] for told in mine.told("points") if told["load"]] == [[[1.5, 8.0, 1.0, 9.0]]]
        store.write(run, [CycleRow(0, 0.0, 60.0, complete=True)])
        wait_until(lambda: mine.told("changed") == [{"run": run}])
        assert not theirs.told("points") and not theirs.told("changed")


def test_the_store_is_asked_once_for_everybody(serve: Serve, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty who look at one run cost as many questions as one; nobody there, nothing asked until one comes again."""
    run = running(store)
    looks: list[set[int]] = []
    served = serve()
    assert served.part.api is not None
    news = served.part.api._feed._news
    asked: list[int] = []
    look, news_of = news.look, news._news_of
    monkeypatch.setattr(news, "look", lambda watched: (looks.append(watched), look(watched))[1])
    monkeypatch.setattr(news, "_news_of", lambda run, state: (asked.append(run), news_of(run, state))[1])
    streams = [Stream(served, f"/api/events?run={run}") for _ in range(20)]
    wait_until(lambda: len(hub_of(served)) == 20)
    store.write(run, [SampleRow(1.0, "rss", "bytes", 5.0, gates=True)])
    wait_until(lambda: all(stream.told("points") for stream in streams))
    names = {thread.name for thread in threading.enumerate() if thread.name.startswith("soak-web-reader")}
    assert 0 < len(asked) <= len(looks) and all(watched <= {run} for watched in looks)
    assert len(names) <= 2, "one reader thread of this web part, and perhaps one of a part that ends"
    for stream in streams:
        stream.close()
    wait_until(lambda: asleep(served))
    before = len(looks)
    with listening(served):
        wait_until(lambda: len(looks) > before + 1)


def test_those_who_hang_up_leave_nothing(serve: Serve) -> None:
    """Thirty come and go: no listener stays, and the feed sleeps."""
    served = serve()
    for _ in range(3):
        streams = [Stream(served, "/api/events") for _ in range(10)]
        wait_until(lambda: len(hub_of(served)) == 10)
        for stream in streams:
            stream.close()
        wait_until(lambda: len(hub_of(served)) == 0)
    wait_until(lambda: asleep(served))


def test_a_slow_listener_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its queue is bounded: when it is full it is emptied and the stream ends, and the others go on."""
    slow, other = Listener(None), Listener(None)
    everybody = Hub()
    everybody._listeners |= {slow, other}
    for number in range(hub.WAITING + 1):
        everybody.publish(Message("status", {"n": number}))
        while other.queue.qsize() > 1:
            other.queue.get_nowait()
    assert slow.dropped and slow.queue.qsize() == 1
    assert not other.dropped


def test_who_takes_nothing_is_hung_up_on(serve: Serve, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser that stopped reading: its socket fills, sending is given up, and the daemon keeps nothing for it."""
    monkeypatch.setattr(hub, "PATIENCE", 0.3)
    run = running(store)
    served = serve()
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    deaf.connect(("127.0.0.1", served.part.port))
    deaf.sendall(f"GET /api/events?run={run} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    wait_until(lambda: len(hub_of(served)) == 1)
    starts = itertools.count(0, 4000)

    def more() -> bool:
        """Some 80 KB for it; one lot may come before its first look, and what is old then is not told."""
        t = next(starts)
        store.write(run, [SampleRow(t + k / 10, "rss", "bytes", 1e9 + k, gates=True) for k in range(4000)])
        return len(hub_of(served)) == 0

    wait_until(more)
    deaf.close()


def test_there_is_a_limit(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more than fit is told to come back later; the pages themselves still answer."""
    monkeypatch.setattr(hub, "MOST", 2)
    served = serve()
    with listening(served), listening(served):
        wait_until(lambda: len(hub_of(served)) == 2)
        status, headers, _ = served.ask("/api/events")
        assert (status, headers["retry-after"]) == (503, "10")
        assert served.ask("/")[0] == 200


def test_a_part_that_ends_sends_everybody_away(serve: Serve) -> None:
    """As at a reload: the streams end at once, so that ending the daemon waits for no browser."""
    served = serve()
    with listening(served) as stream:
        wait_until(lambda: len(hub_of(served)) == 1)
        served.part.shutdown()
        wait_until(lambda: stream.ended)
