"""Tells the service manager that the daemon lives: only while samples are really being stored, or nothing is to do."""

from __future__ import annotations

import logging

from soak.notify import Notifier
from soak.standing import Standing

LOG = logging.getLogger(__name__)
EVERY = 5.0  # seconds; less when the watchdog is quicker


class Heartbeat:
    """A part of the daemon: STATUS for people, WATCHDOG for systemd."""

    name = "heartbeat"

    def __init__(self, standing: Standing, notifier: Notifier) -> None:
        self._standing = standing
        self._notifier = notifier
        self._was_alive = True

    def initialize(self) -> None:
        """Nothing to start."""

    def loop(self, now: float) -> float:
        """A sign of life if there is life."""
        alive = self._standing.alive
        if alive:
            self._notifier.alive()
        elif self._was_alive:
            LOG.error("no sign of life any more: %s", "; ".join(self._standing.troubles()))
        self._was_alive = alive
        self._notifier.status(self._standing.sentence())
        watchdog = self._notifier.watchdog_seconds
        return EVERY if watchdog is None else min(EVERY, watchdog / 4.0)

    def shutdown(self) -> None:
        """Nothing to end."""
