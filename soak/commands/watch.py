"""`soak status --watch`: what the daemon does, once a second, until Ctrl-C."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import click

from soak.commands.drawing import Memory
from soak.commands.progress import PlainProgress, TerminalProgress
from soak.errors import EXIT_ERROR
from soak.progress import Status

EVERY = 1.0  # seconds
Answer = dict[str, Any] | None
Ask = Callable[[str], Answer]


def follow(ask: Ask, listen: str, *, sleep: Callable[[float], None] = time.sleep) -> int:
    """Draw the run that goes on until somebody presses Ctrl-C; 0, or 4 when no daemon answers at `listen`."""
    progress = TerminalProgress(sys.stderr) if sys.stderr.isatty() else PlainProgress(sys.stderr)
    watched = Watched(ask, progress)
    try:
        while watched.look():
            sleep(EVERY)
    except KeyboardInterrupt:
        return 0
    finally:
        progress.close()
    click.echo(f"No daemon answers at {listen}.", err=True)
    return EXIT_ERROR


class Watched:
    """One look after the other."""

    def __init__(self, ask: Ask, progress: TerminalProgress | PlainProgress) -> None:
        self._ask = ask
        self._progress = progress
        self.memory = Memory()
        self._run: int | None = None
        self._said = ""

    def look(self) -> bool:
        """Ask and draw; False when nobody answers."""
        answer = self._ask("/api/status")
        if answer is None:
            return False
        run = answer["run"]
        if run is None:
            self._say(str(answer["sentence"]))
        else:
            self._draw(Status(**{field.name: run[field.name] for field in fields(Status)}))
        return True

    def _say(self, sentence: str) -> None:
        """Nothing is soaked now: a line when that is new."""
        if sentence != self._said:
            self._said = sentence
            self._progress.close()
            self._progress.message(sentence)

    def _draw(self, status: Status) -> None:
        if isinstance(self._progress, PlainProgress):
            self._progress.status(status)
            return
        if status.run_id != self._run:
            self._run, self.memory = status.run_id, self._history(status)
        self.memory.see(status)
        self._progress.show(status, self.memory)

    def _history(self, status: Status) -> Memory:
        """What was before somebody began to watch."""
        memory = Memory()
        curves = self._ask(f"/api/runs/{status.run_id}/curves") or {"series": []}
        rss: list[list[float | None]] = next((one["points"] for one in curves["series"] if one["name"] == "rss"), [])
        run = (self._ask(f"/api/runs/{status.run_id}") or {}).get("run")
        if run is not None:
            points = [(t, high) for t, _, high in rss if t is not None and high is not None and t < status.t]
            memory.fill(points, run["cycle_seconds"], run["quiet_seconds"])
        return memory
