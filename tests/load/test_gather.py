"""Reading late: what waited in the kernel is counted with the moment at which it arrived."""

from __future__ import annotations

import asyncio
import select
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvloop

from soak.load import channel, gather
from soak.load.channel import MUCH, Channel
from soak.load.gather import MOST, Gather, Moderated, Prompt
from tests.common import PATIENCE_S
from tests.load.conftest import WireServer

Serve = Callable[..., WireServer]
CLOCKS_S = 0.001  # that the distance between two clocks may be wrong
needs_stamps = pytest.mark.skipif(not gather.POSSIBLE, reason="epoll and its stamps are Linux's")
pytestmark = needs_stamps


class Ear(Channel):
    """Notes what arrives, and when it did."""

    def __init__(self, together: Gather) -> None:
        super().__init__()
        self.gather = together
        self.heard: list[tuple[bytes, float]] = []
        self.lost: list[BaseException | None] = []

    def data_received(self, data: bytes) -> None:
        """Keep it."""
        self.heard.append((data, self.moment))

    def connection_lost(self, error: BaseException | None) -> None:
        """The other side has gone."""
        self.lost.append(error)


@pytest.fixture
def pairs() -> Iterator[Callable[[], tuple[socket.socket, socket.socket]]]:
    """Makes connected TCP sockets; the first of each pair does not block."""
    listener = socket.create_server(("127.0.0.1", 0))
    opened: list[socket.socket] = []

    def connect() -> tuple[socket.socket, socket.socket]:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
        ours.setblocking(False)
        theirs.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.extend((ours, theirs))
        return ours, theirs

    yield connect
    for sock in (*opened, listener):
        sock.close()


@pytest.fixture(autouse=True)
def stamps(pairs: Pairs) -> None:
    """The kernel takes a moment to begin with stamps; while there is a socket that wants them it goes on."""
    ours, theirs = pairs()
    assert gather.stamp(ours)
    notes: list[Any] = []
    deadline = time.monotonic() + PATIENCE_S
    while not notes:
        if time.monotonic() > deadline:
            pytest.skip("this kernel gives no stamps")
        theirs.sendall(b"x")
        arrives(ours)
        _, notes, _, _ = ours.recvmsg(100, gather.NOTES)


Pairs = Callable[[], tuple[socket.socket, socket.socket]]


def arrives(sock: socket.socket) -> float:
    """Wait until there is something to read; a moment at which that was so."""
    assert select.select([sock], [], [], PATIENCE_S)[0]
    return time.monotonic()


async def until(condition: Callable[[], object]) -> None:
    """Give the loop its turns until it is so."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("run", [uvloop.run, asyncio.run])
def test_a_held_gather_does_not_wake_the_loop_and_tells_when_things_arrived(
    pairs: Pairs, run: Callable[..., object]
) -> None:
    """Read a while after it arrived, it has the moment of its arrival; let go, the gather reads at once again."""

    async def go() -> None:
        together = Gather()
        ours, theirs = pairs()
        ear = Ear(together)
        ear.adopt(ours, asyncio.get_running_loop())
        together.hold(True)
        began = time.monotonic()
        theirs.sendall(b"first")
        arrived = arrives(ours)
        await asyncio.sleep(0.05)
        assert ear.heard == []
        assert together.collect() == 1
        ((data, moment),) = ear.heard
        assert data == b"first"
        assert began - CLOCKS_S <= moment <= arrived + CLOCKS_S
        together.hold(False)
        theirs.sendall(b"second")
        await until(lambda: len(ear.heard) == 2)
        theirs.close()
        await until(lambda: ear.lost)
        assert (ear.lost, ear.sock) == ([None], None)
        together.close()

    run(go())


def test_what_one_reader_closes_another_need_not_read(pairs: Pairs) -> None:
    """Two have something to read; the first that does closes both."""

    async def go() -> None:
        together, loop = Gather(), asyncio.get_running_loop()
        heard: list[Channel] = []

        class Jealous(Channel):
            def data_received(self, data: bytes) -> None:
                heard.append(self)
                for one in both:
                    one.abort()

        both = [Jealous(), Jealous()]
        for one in both:
            ours, theirs = pairs()
            one.gather = together
            one.adopt(ours, loop)
            theirs.sendall(b"x")
            arrives(ours)
        together.collect()
        assert len(heard) == 1
        together.close()

    uvloop.run(go())


def test_more_than_are_read_in_one_go_are_not_forgotten(pairs: Pairs) -> None:
    """One more than the limit: `full`, and the rest the next time."""

    async def go() -> None:
        together, loop = Gather(), asyncio.get_running_loop()
        ears = []
        for _ in range(MOST + 1):
            ours, theirs = pairs()
            ears.append(Ear(together))
            ears[-1].adopt(ours, loop)
            theirs.sendall(b"x")
            arrives(ours)
        assert (together.collect(), together.full) == (MOST, True)
        assert (together.collect(), together.full) == (1, False)
        assert all(len(ear.heard) == 1 for ear in ears)
        together.close()

    uvloop.run(go())


@pytest.mark.parametrize("step", [-3600.0, 3600.0])
def test_a_wall_clock_that_is_set_moves_nothing_out_of_its_time(
    pairs: Pairs, monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    """Set by an hour after the bytes arrived: their moment stays between the reading before and now."""

    async def go() -> None:
        together = Gather()
        ours, theirs = pairs()
        ear = Ear(together)
        ear.adopt(ours, asyncio.get_running_loop())
        before = time.monotonic()
        together.collect()
        theirs.sendall(b"x")
        arrives(ours)
        monkeypatch.setattr(gather, "time", lambda: time.time() + step)
        together.collect()
        ((_, moment),) = ear.heard
        assert before <= moment <= time.monotonic()
        together.close()

    uvloop.run(go())


def test_a_sender_of_much_is_read_at_once(pairs: Pairs) -> None:
    """From its first piece on such a socket is read by itself, whether the others are held or not."""

    async def go() -> None:
        together = Gather()
        ours, theirs = pairs()
        ear = Ear(together)
        ear.adopt(ours, asyncio.get_running_loop())
        together.hold(True)
        theirs.sendall(b"x" * MUCH)
        while len(ours.recv(MUCH, socket.MSG_PEEK)) < MUCH:
            arrives(ours)
        together.collect()
        assert (sum(len(data) for data, _ in ear.heard), ear.gather) == (MUCH, None)
        now = time.monotonic()
        theirs.sendall(b"more")
        await until(lambda: len(ear.heard) == 2)
        assert ear.heard[1][1] >= now
        ear.abort()
        together.close()

    uvloop.run(go())


def test_without_stamps_nothing_is_held(pairs: Pairs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel did not note when something arrived: its moment is now, and for a while all is read at once."""
    monkeypatch.setattr(channel, "stamp", lambda sock: True)
    monkeypatch.setattr(gather, "BLIND_S", 2 * PATIENCE_S)  # however long this process stands still meanwhile

    async def go() -> None:
        together = Gather()
        ours, theirs = pairs()
        ear = Ear(together)
        ear.adopt(ours, asyncio.get_running_loop())
        for number in (1, 2):
            together.hold(True)
            assert together.held == (number == 1)
            theirs.sendall(b"x")
            if together.held:
                arrives(ours)
                together.collect()
            await until(lambda number=number: len(ear.heard) == number)
            assert not together.held
        monkeypatch.setattr(gather, "monotonic", lambda: time.monotonic() + 2 * gather.BLIND_S)
        together.collect()
        together.hold(True)
        assert together.held
        together.close()

    uvloop.run(go())


def test_answers_that_users_wait_for_are_read_at_once(pairs: Pairs) -> None:
    """Each answer brings the next one, as it does for a user: read in one turn of the loop, but only so many."""

    async def go() -> None:
        together = Prompt()
        ours, theirs = pairs()

        class Busy(Ear):
            def data_received(self, data: bytes) -> None:
                super().data_received(data)
                if len(self.heard) < 2 * MOST:
                    theirs.sendall(b"x")
                    arrives(ours)

        ear = Busy(together)
        ear.adopt(ours, asyncio.get_running_loop())
        theirs.sendall(b"x")
        arrives(ours)
        together.woken()
        assert len(ear.heard) == MOST
        await until(lambda: len(ear.heard) == 2 * MOST)
        together.hold(False)
        together.close()

    uvloop.run(go())


def test_streams_in_quick_succession_are_read_together(pairs: Pairs) -> None:
    """Woken again within the millisecond it holds; with nothing more to come it lets go. Nothing is lost on the way."""

    async def go() -> None:
        together, loop = Moderated(), asyncio.get_running_loop()
        ears, others = [], []
        for _ in range(2):
            ours, theirs = pairs()
            ears.append(Ear(together))
            ears[-1].adopt(ours, loop)
            others.append(theirs)
        together.woken()
        assert not together.held
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(gather, "AT_ONCE_S", PATIENCE_S)
            together.woken()
        assert together.held
        for theirs in others:
            theirs.sendall(b"a")
        await until(lambda: all(ear.heard for ear in ears) and not together.held)
        others[0].sendall(b"b")
        await until(lambda: len(ears[0].heard) == 2)
        together.close()

    uvloop.run(go())


@pytest.mark.parametrize("kind", [Gather, Prompt])
def test_all_that_waits_is_read_before_anything_is_called_late(
    pairs: Callable[[], tuple[socket.socket, socket.socket]], kind: type[Gather]
) -> None:
    """More sockets than are read in one go: after a stall of ours all of them have their answer."""

    async def go() -> list[Ear]:
        together, ears = kind(), []
        for _ in range(2 * MOST + 10):
            ours, theirs = pairs()
            ears.append(Ear(together))
            ears[-1].adopt(ours, asyncio.get_running_loop())
            theirs.sendall(b"answer")
        together.collect_all()
        together.close()
        return ears

    ears = asyncio.run(go())
    assert [[data for data, _ in ear.heard] for ear in ears] == [[b"answer"]] * len(ears)
