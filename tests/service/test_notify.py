"""What systemd would hear, on a real notify socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from soak.heartbeat import Heartbeat
from soak.notify import Notifier
from soak.standing import Patience, Standing
from tests.common import PATIENCE_S


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[socket.socket]:
    """A socket as systemd opens one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(PATIENCE_S)
        yield listening


def notifier(heard: socket.socket, **more: str) -> Notifier:
    """One that talks to it."""
    return Notifier({"NOTIFY_SOCKET": heard.getsockname(), **more})


def test_the_words_of_the_protocol(heard: socket.socket) -> None:
    """READY, RELOADING with its time, STATUS once for each text, WATCHDOG, STOPPING."""
    told = notifier(heard)
    for word in (told.ready, told.reloading, told.alive, told.stopping):
        word()
    told.status("idle")
    told.status("idle")
    told.status("soaking")
    words = [heard.recv(200).decode() for _ in range(6)]
    assert words[0] == "READY=1" and words[1].startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert words[2:] == ["WATCHDOG=1", "STOPPING=1", "STATUS=idle", "STATUS=soaking"]


def test_an_abstract_socket_is_understood() -> None:
    """@name stands for a leading zero byte."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0soak-test-{os.getpid()}")
        listening.settimeout(PATIENCE_S)
        Notifier({"NOTIFY_SOCKET": f"@soak-test-{os.getpid()}"}).ready()
        assert listening.recv(100) == b"READY=1"


def test_without_systemd_nothing_happens(tmp_path: Path) -> None:
    """No socket, or one that nobody reads: no error."""
    Notifier({}).ready()
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready()
    assert Notifier({"WATCHDOG_USEC": "1000000"}).watchdog_seconds is None


def test_the_watchdog_of_another_process_is_not_ours(heard: socket.socket) -> None:
    """WATCHDOG_PID names whom systemd watches."""
    assert notifier(heard, WATCHDOG_USEC="30000000").watchdog_seconds == 30.0
    assert notifier(heard, WATCHDOG_USEC="30000000", WATCHDOG_PID="1").watchdog_seconds is None


def test_the_watchdog_is_fed_only_while_there_is_life(heard: socket.socket) -> None:
    """Two signs of life; when the main loop hangs for longer than its patience, none, and the status says so."""
    now = [0.0]
    standing = Standing("orders-api", monotonic=lambda: now[0])
    heartbeat = Heartbeat(standing, notifier(heard, WATCHDOG_USEC="8000000"))
    standing.turn()
    assert heartbeat.loop(0.0) == 2.0  # four times in the eight seconds
    assert [heard.recv(200) for _ in range(2)] == [b"WATCHDOG=1", b"STATUS=idle, next start not planned"]
    now[0] = Patience().idle + 1
    heartbeat.loop(0.0)
    heard.setblocking(False)
    with pytest.raises(BlockingIOError):
        heard.recv(200)
    standing.turn()
    heartbeat.loop(0.0)
    assert heard.recv(200) == b"WATCHDOG=1"


def test_a_manager_that_does_not_read_holds_nobody_up(heard: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its queue is full after some messages; what no longer fits is given up after a moment."""
    monkeypatch.setattr("soak.notify.PATIENCE", 0.001)
    told = notifier(heard)
    for _ in range(1000):
        told.alive()
