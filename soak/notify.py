"""Tells systemd how the daemon is: READY, STATUS, WATCHDOG, RELOADING and STOPPING, as sd_notify(3) does."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

PATIENCE = 1.0  # seconds for a service manager that does not read what it is sent


class Notifier:
    """Sends to $NOTIFY_SOCKET; without one (no systemd, or not Type=notify) every call does nothing."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        self._watchdog_us = int(environ.get("WATCHDOG_USEC") or 0)
        if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
            self._watchdog_us = 0
        self._status = ""

    @property
    def watchdog_seconds(self) -> float | None:
        """How long systemd waits for a sign of life; None when it does not watch."""
        return self._watchdog_us / 1e6 if self._address and self._watchdog_us else None

    def ready(self) -> None:
        """The daemon does its work now; also after a reload."""
        self._send("READY=1")

    def reloading(self) -> None:
        """The configuration is being read again; `ready` ends it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The daemon is on its way out."""
        self._send("STOPPING=1")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`; sent when it has changed."""
        if text != self._status:
            self._status = text
            self._send(f"STATUS={text}")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.settimeout(PATIENCE)
            try:
                sender.sendto(message.encode(), address)
            except OSError:  # nobody listens, or reads: no reason to stop soaking
                return
