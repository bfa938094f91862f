"""The daemon's side of the agent: asks the guests of a run over their Unix sockets and never waits longer than told.

`begin` sends a request and returns an `Exchange` with a `fileno()`, for callers that watch many descriptors;
`request` waits for the reply. A process without an agent, or one that has gone, is answered with None or AgentError.
"""

from __future__ import annotations

import importlib.util
import json
import os
import select
import socket
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

MAX_REPLY = 16 * 1024 * 1024  # bytes of one line; the agent keeps to the same
CONNECT_TIMEOUT = 1.0  # s
REQUEST_TIMEOUT = 30.0  # s: a reading of a large traced heap takes seconds


class AgentError(Exception):
    """The agent did not answer, answered nonsense, or said why it could not do what was asked."""


class Exchange:
    """One request under way: `fileno()` to watch, `poll()` to move on, `reply` when it is there."""

    def __init__(self, connection: socket.socket, number: int) -> None:
        self._connection = connection
        self._number = number
        self._parts: list[bytes] = []
        self._size = 0
        self.reply: dict[str, Any] | None = None

    def fileno(self) -> int:
        """The descriptor that becomes readable when (a part of) the reply is there."""
        return self._connection.fileno()

    def poll(self) -> bool:
        """Take what has arrived; True when the reply is complete. Raises AgentError when it never will be."""
        while self.reply is None:
            try:
                data = self._connection.recv(1 << 20)
            except (BlockingIOError, InterruptedError):
                return False
            except OSError as error:
                raise AgentError(f"the agent's connection broke: {error}") from error
            self._take(data)
        return True

    def _take(self, data: bytes) -> None:
        if not data:
            raise AgentError("the agent closed the connection")
        self._parts.append(data)
        self._size += len(data)
        if self._size > MAX_REPLY:
            raise AgentError("the agent's reply is too large")
        if data.endswith(b"\n"):
            self._finish(b"".join(self._parts))

    def _finish(self, line: bytes) -> None:
        try:
            reply = json.loads(line)
        except ValueError as error:
            raise AgentError(f"the agent's reply is not JSON: {error}") from error
        if not isinstance(reply, dict) or reply.get("v") != 1 or reply.get("id") != self._number:
            raise AgentError("the agent's reply does not belong to the request")
        if not reply.get("ok"):
            raise AgentError(str(reply.get("error", "the agent gave no reason")))
        self.reply = reply


class AgentClient:
    """Connections to the agents of one folder, by pid; each is made when first needed and kept."""

    def __init__(self, socket_dir: str | os.PathLike[str]) -> None:
        self._directory = Path(socket_dir)
        self._connections: dict[int, socket.socket] = {}
        self._number = 0

    def pids(self) -> list[int]:
        """Processes that have opened a socket here (some may have gone since)."""
        try:
            names = [entry.name for entry in self._directory.iterdir()]
        except OSError:
            return []
        return sorted(int(name[:-5]) for name in names if name.endswith(".sock") and name[:-5].isdigit())

    def connect(self, pid: int, timeout: float | None = None) -> dict[str, Any] | None:
        """What the agent in `pid` says of itself; None when there is none, or none that answers by CONNECT_TIMEOUT."""
        if pid not in self._connections and not (self._directory / f"{pid}.sock").exists():
            return None  # asked at every sample of a target that has no agent
        try:
            return self.request(pid, "hello", timeout=CONNECT_TIMEOUT if timeout is None else timeout)
        except AgentError:
            return None

    def begin(self, pid: int, op: str, **args: object) -> Exchange:
        """Send a request without waiting for the reply. Raises AgentError when no agent listens."""
        connection = self._connections.get(pid) or self._open(pid)
        self._number += 1
        line = json.dumps({"v": 1, "id": self._number, "op": op, **args}).encode() + b"\n"
        try:
            connection.sendall(line)
        except OSError:  # the agent restarted (a fork, an exec) since the last request
            self.drop(pid)
            try:
                connection = self._open(pid)
                connection.sendall(line)
            except OSError as error:
                raise AgentError(f"no agent in process {pid}: {error}") from error
        return Exchange(connection, self._number)

    def request(self, pid: int, op: str, *, timeout: float = REQUEST_TIMEOUT, **args: object) -> dict[str, Any]:
        """Ask and wait at most `timeout` seconds. Raises AgentError; the connection is then dropped."""
        deadline = time.monotonic() + timeout
        try:
            exchange = self.begin(pid, op, **args)
            while not exchange.poll():
                left = deadline - time.monotonic()
                if left <= 0 or not select.select([exchange], [], [], left)[0]:
                    raise AgentError(f"the agent in process {pid} did not answer within {timeout:g} s")
        except AgentError:
            self.drop(pid)
            raise
        assert exchange.reply is not None
        return exchange.reply

    def holders(
        self, pid: int, types: Sequence[str], deadline: float = 2.0, longest_pause: float | None = None
    ) -> dict[str, Any]:
        """Who holds the newest instances of `types` and the containers that have grown since the last call.

        Answers {"holders": [{"type", "growth": items or None, "path": [root, ..., what is held]}], "late", "pause_ms"}.
        What has grown has "length" and "bound" (items, None without one) as well, "watched" where it was large at the
        last call already, and what its newest items are:
        "holds": [{"type", "per_item", "bytes" per item with what hangs on it, "tracked" by gc}];
        the walk stops after `deadline` s of CPU, or five times that by the clock, and is left out where one pass over
        all objects would take more than `longest_pause` ms. Raises AgentError, also when objgraph is not installed.
        """
        found = importlib.util.find_spec("objgraph")
        if found is None or found.origin is None:
            raise AgentError("objgraph is not installed")
        return self.request(
            pid,
            "holders",
            timeout=5 * deadline + 10.0,
            types=list(types),
            deadline=deadline,
            longest_pause=longest_pause,
            objgraph=found.origin,
        )

    def drop(self, pid: int) -> None:
        """Close the connection to one agent; the next request makes a new one."""
        connection = self._connections.pop(pid, None)
        if connection is not None:
            connection.close()

    def close(self) -> None:
        """Close every connection."""
        for pid in list(self._connections):
            self.drop(pid)

    def _open(self, pid: int) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(CONNECT_TIMEOUT)
        try:
            folder = os.open(self._directory, os.O_PATH | os.O_DIRECTORY)
            try:
                connection.connect(f"/proc/self/fd/{folder}/{pid}.sock")  # short whatever the folder's name is
            finally:
                os.close(folder)
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            _, uid, _ = struct.unpack("3i", credentials)
            if uid not in (os.geteuid(), 0) and os.geteuid() != 0:
                raise OSError("the socket belongs to another user")
        except OSError as error:
            connection.close()
            if isinstance(error, ConnectionRefusedError):  # its process has ended; it could not clean up
                with suppress(OSError):  # nor can soak in a folder that it may only read, as under ProtectSystem=strict
                    (self._directory / f"{pid}.sock").unlink()
            raise AgentError(f"no agent in process {pid}: {error}") from error
        connection.setblocking(False)
        self._connections[pid] = connection
        return connection
