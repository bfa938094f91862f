"""soak's end of the socket to the warden."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from soak.errors import interpreter_unusable

_SCRIPT = Path(__file__).with_name("warden.py")
_ANSWER = 20.0  # seconds that the warden may take to start a process


class WardenLost(Exception):
    """The warden is gone: somebody killed it, and the target with it."""


class WardenClient:
    """Starts a warden and talks to it."""

    def __init__(self) -> None:
        """Start the process. -I and -S: nothing of the user's site or environment in it, and half the memory."""
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-I", "-S", str(_SCRIPT), str(theirs.fileno()), str(os.getpid())]
            try:
                self._process = subprocess.Popen(
                    command,
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                    cwd="/",
                    env={},
                )
            except OSError as error:
                ours.close()
                raise interpreter_unusable(error) from error
        self._socket = ours
        self._buffer = b""
        self._events: deque[dict[str, Any]] = deque()

    @property
    def pid(self) -> int:
        """The warden's process id."""
        return self._process.pid

    def start(
        self, argv: Sequence[str], env: Mapping[str, str], cwd: Path, log: Path, stop_timeout: float
    ) -> dict[str, Any]:
        """Start the target and give the answer: `started` with pid and start time, or `failed` with step and errno."""
        self._send(op="start", argv=list(argv), env=dict(env), cwd=str(cwd), log=str(log), stop_timeout=stop_timeout)
        return self._wait_for(("started", "failed"), _ANSWER)

    def stop(self, timeout: float) -> dict[str, Any]:
        """Stop the target and everything it left, within `timeout` seconds politely; gives the event `stopped`."""
        self._send(op="stop", timeout=timeout)
        return self._wait_for(("stopped",), timeout + _ANSWER)

    def exits(self) -> list[dict[str, Any]]:
        """The `exit` events since the last call. WardenLost when the warden is gone."""
        self._receive(0.0)
        found = [event for event in self._events if event["event"] == "exit"]
        self._events.clear()
        return found

    def hang_up(self) -> None:
        """Leave everything to the warden, without waiting: it ends what is left and then itself."""
        self._socket.close()

    def close(self) -> None:
        """Hang up and wait until the warden has ended what is left, and itself."""
        self.hang_up()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_ANSWER)
            return
        self._process.kill()
        self._process.wait()

    def _send(self, **order: object) -> None:
        self._socket.settimeout(_ANSWER)
        try:
            self._socket.sendall(json.dumps(order).encode() + b"\n")
        except OSError as error:
            raise WardenLost from error

    def _wait_for(self, kinds: Sequence[str], timeout: float) -> dict[str, Any]:
        """The first event of these kinds; all others are kept for their reader."""
        deadline = time.monotonic() + timeout
        while True:
            for event in self._events:
                if event["event"] in kinds:
                    self._events.remove(event)
                    return event
            left = deadline - time.monotonic()
            if left <= 0:
                raise WardenLost
            self._receive(left)

    def _receive(self, timeout: float) -> None:
        """Take in what has arrived, waiting for at most `timeout` seconds."""
        self._socket.settimeout(timeout)
        try:
            data = self._socket.recv(1 << 16)
        except (BlockingIOError, TimeoutError):
            return
        except OSError as error:
            raise WardenLost from error
        if not data:
            raise WardenLost
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        self._events.extend(json.loads(line) for line in lines)
