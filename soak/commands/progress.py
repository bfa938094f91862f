"""The progress of a run on stderr: a curve that is drawn again on a terminal, a line per phase elsewhere."""

from __future__ import annotations

import sys
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.text import Text

from soak.commands.drawing import Memory, drawing
from soak.config import format_duration
from soak.progress import ProgressListener, Silent, Status

MEGABYTE = 1024 * 1024
WIDEST = 110  # columns
LOWEST = 12  # lines of a terminal that has room for the curve


def progress_for(stream: TextIO = sys.stderr, *, quiet: bool = False) -> ProgressListener:
    """The listener that fits: none when quiet, a curve on a terminal, plain lines elsewhere."""
    if quiet:
        return Silent()
    return TerminalProgress(stream) if stream.isatty() else PlainProgress(stream)


def described(status: Status) -> str:
    """A status in one line; what matters most comes first, for a narrow terminal cuts off the end."""
    memory = f"rss {status.rss / MEGABYTE:.1f} MB" if status.rss is not None else "rss ?"
    failed = f", {status.errors} failed" if status.errors else ""
    verdict = f"{status.verdict} so far, " if status.verdict else ""
    return (
        f"cycle {status.cycle + 1}/{status.cycles} {status.phase}, {verdict}{memory}, "
        f"{format_duration(round(status.seconds_left))} left, {status.rate:.1f} req/s, {status.requests} landed{failed}"
    )


class PlainProgress:
    """For logs: a line when a phase begins, never a control character."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last: tuple[int, str] | None = None

    def status(self, status: Status) -> None:
        """A line when the cycle or the phase is a new one."""
        if (status.cycle, status.phase) != self._last and status.t >= 0:
            self._last = (status.cycle, status.phase)
            self.message(described(status))

    def message(self, text: str) -> None:
        """One line."""
        print(f"soak: {text}", file=self._stream, flush=True)

    def ending(self) -> None:
        """What follows tells of itself."""

    def close(self) -> None:
        """Lines stay."""


class TerminalProgress:
    """For eyes: a curve of the run in the last lines, drawn again in place; messages scroll above it."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream)
        self._live: Live | None = None
        self._memory = Memory()

    def status(self, status: Status) -> None:
        """Draw the last lines again."""
        self._memory.see(status)
        self.show(status, self._memory)

    def show(self, status: Status, memory: Memory) -> None:
        """The picture of `memory`; on a terminal without the room for it the one line."""
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        width, height = self._console.size
        lines = drawing(status, memory, min(width - 1, WIDEST)) if height >= LOWEST else [described(status)]
        self._live.update(Text("\n".join(lines), overflow="ellipsis", no_wrap=True), refresh=True)

    def message(self, text: str) -> None:
        """One line above the picture."""
        self._console.print(escape(text), highlight=False, soft_wrap=True)

    def ending(self) -> None:
        """The picture stays until the run is closed."""

    def close(self) -> None:
        """Take the picture away."""
        if self._live is not None:
            self._live.stop()
            self._live = None
