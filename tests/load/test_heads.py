"""Remembered heads: what is said without the parser is what the parser would have said."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soak.load.accounts import Job
from soak.load.heads import MOST, Heads
from soak.load.plan import ScenarioPlan
from soak.load.pool import PooledConnection, Request
from soak.load.tally import Tally

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
ANSWERS = (
    OK,
    OK.replace(b"hello", b"world"),
    b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: 7\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
    b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 15\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
    b"HTTP/1.1 100 Continue\r\nContent-Length: 43\r\n\r\n" + OK,
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
    b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhe\r\n\r\nllo",
    b"HTTP/1.1 200 OK\r\nX: 1\r\n Content-Length: 9\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 5\r\n\r\nhello",
    OK + OK,
    OK + b"x",
    b"garbage\r\n\r\n",
    OK[:-3],
    OK[:20],
)
GRAMMAR = (b"HTTP/1.1 200 OK\r\n", b"Content-Length: ", b"5", b"0", b"\r\n", b"\r\n\r\n", b"\n", b"hello", b"x: y\r\n")


class _Pool:
    """Notes what becomes of the requests."""

    gather = None

    def hurry(self, seconds: float) -> None:
        """An answer goes on."""

    def __init__(self) -> None:
        self.endings: list[Any] = []

    def finished(self, connection: PooledConnection, job: Job, answer: Any) -> None:
        """An answer."""
        self.endings.append(answer)

    def lost(self, connection: PooledConnection, job: Job | None, kind: str) -> None:
        """A failure, of the request or of the connection after it."""
        self.endings.append((kind, job is None))


def ending(request: Request, data: bytes) -> list[Any]:
    """What a fresh connection makes of `data` and then of the end of the connection."""
    pool = _Pool()
    connection = PooledConnection(pool, Job(Tally(0, "work"), 0.0, 0.0), request)  # type: ignore[arg-type]
    connection.data_received(data)
    if not connection.closed:
        connection.connection_lost(None)
    return pool.endings


def request() -> Request:
    """One that has seen no answer yet."""
    return Request(ScenarioPlan(), b"GET / HTTP/1.1\r\n\r\n")


@pytest.mark.parametrize("answer", ANSWERS)
def test_the_second_time_is_like_the_first(answer: bytes) -> None:
    """Each kind of answer, well-formed or not, three times on connections of its own."""
    known = request()
    assert [ending(known, answer) for _ in range(3)] == [ending(request(), answer)] * 3


@settings(max_examples=300)
@given(st.lists(st.one_of(st.sampled_from(ANSWERS), st.lists(st.sampled_from(GRAMMAR), max_size=9).map(b"".join))))
def test_what_is_remembered_changes_nothing(answers: list[bytes]) -> None:
    """Whatever was seen before: each answer ends as it does where nothing was seen before."""
    known = request()
    for answer in answers:
        assert ending(known, answer) == ending(request(), answer)


def test_a_known_head_needs_no_parser() -> None:
    """The parser is not asked about the second answer with the same head and a body of the same length."""
    known = request()
    ending(known, OK)
    connection = PooledConnection(_Pool(), Job(Tally(0, "work"), 0.0, 0.0), known)  # type: ignore[arg-type]
    connection.parser = None
    connection.data_received(ANSWERS[1])
    assert connection.pool.endings == [(200, True, None)]  # type: ignore[attr-defined]


def test_heads_that_never_come_back_are_not_collected() -> None:
    """A number in each head: no more than 64 are kept, and after those nothing is learnt for a while."""
    heads = Heads()
    for number in range(5000):
        heads.learn(b"HTTP/1.1 200 OK\r\nX-Id: %d\r\nContent-Length: 0\r\n\r\n" % number, (200, True, None))
        assert len(heads._known) <= MOST
    assert heads.recall(b"HTTP/1.1 200 OK\r\nX-Id: 1\r\nContent-Length: 0\r\n\r\n") is None
