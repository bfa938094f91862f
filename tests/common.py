"""What tests everywhere need: to wait for a condition, and ports that nobody else takes."""

from __future__ import annotations

import itertools
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

Answer = TypeVar("Answer")

PATIENCE_S = 60.0  # only a test that fails waits so long; a busy machine needs seconds for what takes milliseconds
_FIRST_PORT, _PORTS_EACH = 10_000, 1000  # below 32768, where the kernel takes ports for outgoing connections from
_offset = itertools.count(os.getpid())


def wait_until(condition: Callable[[], Answer], timeout: float = PATIENCE_S) -> Answer:
    """Its first true answer, as soon as it comes; fail if none does within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    pause = 0.005
    while True:
        asked = time.monotonic()
        if answer := condition():
            return answer
        assert asked < deadline, f"it did not happen within {timeout:g} s"  # this process may have stood still, too
        with suppress(InterruptedError):  # a test's own signal handler may raise it: the condition is asked again
            time.sleep(max(pause, min(time.monotonic() - asked, 1.0)))  # what is waited for needs the processor, too
        pause = min(1.5 * pause, 0.05)


def accepts(port: int) -> bool:
    """Whether somebody listens on that port of loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """A port on loopback that nobody listens on.

    A port that the kernel picks can be another test's connection a moment later: these are out of its range, and each
    worker of pytest-xdist has its own.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 20
    for number in itertools.islice(_offset, _PORTS_EACH):
        port = _FIRST_PORT + worker * _PORTS_EACH + number % _PORTS_EACH
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")
