"""Stopping on a signal: handlers set a flag, the first is graceful, the second is now."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopSignals:
    """While entered, the first SIGINT, SIGTERM or SIGHUP sets `received`; the second raises KeyboardInterrupt."""

    def __init__(self) -> None:
        self._before: dict[signal.Signals, Any] = {}
        self.number: int | None = None
        self._told = False

    @property
    def received(self) -> bool:
        """Has somebody asked to stop?"""
        return self.number is not None

    def ask(self) -> None:
        """Ask to stop, as a SIGTERM would; from any thread."""
        self.number = self.number or signal.SIGTERM

    def __enter__(self) -> StopSignals:
        for number in STOPPING:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup wants it
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        again, self.number = self.number is not None, self.number or number
        if again and not self._told:
            self._told = True  # a third must not break off what the second has ended in haste
            raise KeyboardInterrupt
