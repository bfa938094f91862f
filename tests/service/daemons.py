"""A real `soak daemon` in a process of its own, with a notify socket as systemd would give it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.common import PATIENCE_S, free_port, wait_until
from tests.e2e.soaking import soak_command, write_config

LONG_S = 2 * PATIENCE_S  # for what takes several processes one after another: a start, an end with its analysis


@dataclass
class Service:
    """A daemon and what is around it."""

    folder: Path
    listening: socket.socket
    port: int
    process: subprocess.Popen[bytes]
    heard: list[str] = field(default_factory=list)

    def hear(self) -> list[str]:
        """Everything that was told to systemd so far."""
        return list(self.heard)

    def listen(self) -> None:
        """Read what comes, as systemd does: a socket that nobody reads is full after ten messages."""
        with contextlib.suppress(OSError):
            while message := self.listening.recv(500):
                self.heard.append(message.decode())

    def wait_for(self, word: str, timeout: float = LONG_S) -> None:
        """Until systemd heard it."""
        wait_until(lambda: any(message.startswith(word) for message in self.hear()), timeout)

    def status(self) -> dict[str, Any]:
        """What /api/status answers; empty while nothing does."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request("GET", "/api/status")
            told: dict[str, Any] = json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError):
            return {}
        finally:
            connection.close()
        return told

    def told(self) -> dict[str, Any]:
        """What it answers as soon as it does."""
        return wait_until(self.status)

    def wait_for_phase(self, phase: str, timeout: float = LONG_S) -> None:
        """Until the daemon is in that phase; of a short run it may be over when it is looked for."""
        wait_until(lambda: self.status().get("phase") == phase, timeout)

    @property
    def log(self) -> list[dict[str, Any]]:
        """Its log, line by line; the last one may not be whole yet."""
        lines = (self.folder / "daemon.log").read_text().split("\n")[:-1]
        return [json.loads(line) for line in lines if line.startswith("{")]

    def says(self, text: str) -> bool:
        """Is it in the log?"""
        return any(text in line["message"] for line in self.log)

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    @property
    def store(self) -> str:
        """URL of its store."""
        return f"sqlite:///{self.folder}/soak.db"


def configure(folder: Path, port: int, **tables: Any) -> Path:
    """A soak.toml for short runs of the guest with a web part."""
    tables = {"schedule": {"every": "1h"}, "web": {"listen": f"127.0.0.1:{port}"}, **tables}
    return write_config(folder, **tables)


@contextlib.contextmanager
def service(folder: Path, *, port: int | None = None, configured: bool = False, **tables: Any) -> Iterator[Service]:
    """Start a daemon in `folder`; it is killed at the end if it still runs."""
    port = port or free_port()
    if not configured:
        configure(folder, port, **tables)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        address = folder / "notify"
        address.unlink(missing_ok=True)
        listening.bind(str(address))
        environment = {**os.environ, "NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "2000000"}
        with (folder / "daemon.log").open("ab") as log:
            process = subprocess.Popen(
                soak_command("daemon", "--log-format", "json"), cwd=folder, env=environment, stderr=log, stdout=log
            )
        try:
            made = Service(folder, listening, port, process)
            threading.Thread(target=made.listen, daemon=True).start()
            yield made
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait()
            listening.shutdown(socket.SHUT_RDWR)
