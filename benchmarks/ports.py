"""Ports for what the benchmarks start, and how to wait until somebody listens there."""

from __future__ import annotations

import random
import socket
import subprocess
import time

# Below the range from which the kernel takes ports for connections: such a one may be taken before the target has it.
_UNTRIED = random.sample(range(24_000, 30_000), 6_000)
_PATIENCE_S = 120.0


def free_port() -> int:
    """A port of loopback that nobody listens on; never the same twice."""
    while True:
        port = _UNTRIED.pop()
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    """Until the server accepts connections; SystemExit when it ends or takes too long."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if server.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"{server.args!r} did not start")
        time.sleep(0.05)
