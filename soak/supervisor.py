"""Keeps the parts of the daemon going: each in a thread of its own, restarted when it fails, and that is said."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

LOG = logging.getLogger(__name__)
PAUSES = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)  # seconds before a part that failed is started again
STEADY = 300.0  # seconds without a failure after which the pauses begin anew


class Part(Protocol):
    """One part of the daemon."""

    name: str

    def initialize(self) -> None:
        """Start; also after a failure."""

    def loop(self, now: float) -> float:
        """Do what is due, `now` on the monotonic clock; in how many seconds to be called again."""

    def shutdown(self) -> None:
        """End in order; also after a failure."""


class Supervised:
    """One part in its thread."""

    def __init__(
        self, part: Part, *, pauses: Sequence[float] = PAUSES, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._part = part
        self._pauses = pauses
        self._monotonic = monotonic
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._again = False
        self._failures = 0  # in a row
        self.name = part.name
        self.restarts = 0
        self.error: str | None = None  # of the last failure, while it does not work
        self._thread = threading.Thread(target=self._work, name=f"soak-{part.name}", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def wake(self) -> None:
        """Something changed: call `loop` now."""
        self._wake.set()

    def again(self) -> None:
        """End the part and start it anew, as with another configuration."""
        self._again = True
        self._wake.set()

    def stop(self) -> None:
        """Ask it to end; `join` waits."""
        self._stop.set()
        self._wake.set()

    def join(self, timeout: float) -> bool:
        """Did it end within `timeout` seconds?"""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                self._live()
            except Exception as error:  # noqa: BLE001 -- a part may fail, the daemon may not
                self._failed(error)
            self._end()

    def _live(self) -> None:
        self._again = False
        self._part.initialize()
        self.error = None
        began = self._monotonic()
        while not self._stop.is_set() and not self._again:
            pause = self._part.loop(self._monotonic())
            if self._failures and self._monotonic() - began > STEADY:
                self._failures = 0
            self._wake.wait(pause)
            self._wake.clear()

    def _end(self) -> None:
        try:
            self._part.shutdown()
        except Exception:
            LOG.exception("part %s did not end in order", self.name)

    def _failed(self, error: Exception) -> None:
        pause = self._pauses[min(self._failures, len(self._pauses) - 1)]
        self._failures += 1
        self.error = str(error) or type(error).__name__
        self.restarts += 1
        LOG.error("part %s failed and is started again in %g s: %s", self.name, pause, self.error)
        LOG.debug("part %s", self.name, exc_info=error)
        self._stop.wait(pause)


class Supervisor:
    """All parts of a daemon."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._supervised = [Supervised(part) for part in parts]

    def start(self) -> None:
        """Start them in order."""
        for supervised in self._supervised:
            supervised.start()

    def part(self, name: str) -> Supervised | None:
        """One of them."""
        return next((supervised for supervised in self._supervised if supervised.name == name), None)

    def states(self) -> dict[str, dict[str, object]]:
        """By name: how often it was restarted, and its error while it does not work."""
        return {part.name: {"restarts": part.restarts, "error": part.error} for part in self._supervised}

    def stop(self, timeout: float) -> None:
        """Ask all of them to end at once, wait at most `timeout` seconds."""
        for supervised in self._supervised:
            supervised.stop()
        deadline = time.monotonic() + timeout
        for supervised in self._supervised:
            if not supervised.join(max(0.0, deadline - time.monotonic())):
                LOG.warning("part %s did not end in time", supervised.name)
