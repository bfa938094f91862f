"""The progress line: what matters most comes first, and a phase is told once."""

from __future__ import annotations

import fcntl
import io
import os
import struct
import termios
import threading
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any

from soak.commands.drawing import MOST, ROWS, Memory, drawing
from soak.commands.progress import PlainProgress, TerminalProgress, described, progress_for
from soak.commands.watch import Watched, follow
from soak.progress import Status

STATUS = Status(
    run_id=1,
    t=5.0,
    cycle=1,
    cycles=8,
    phase="load",
    rate=20.0,
    rss=50 * 1024 * 1024,
    seconds_left=90.0,
    requests=120,
    errors=3,
    verdict="inconclusive",
)


def test_the_verdict_and_the_memory_fit_into_fifty_columns() -> None:
    """A narrow terminal cuts off rates and counts, not the verdict."""
    line = described(STATUS)
    assert line == "cycle 2/8 load, inconclusive so far, rss 50.0 MB, 1m30s left, 20.0 req/s, 120 landed, 3 failed"
    assert line.index("rss 50.0 MB") + len("rss 50.0 MB") <= 50


def test_a_log_gets_a_line_when_a_phase_begins() -> None:
    """Not one every second, no control characters, and nothing before the load begins."""
    stream = io.StringIO()
    progress = PlainProgress(stream)
    for status in (replace(STATUS, t=-0.5), STATUS, replace(STATUS, t=6.0), replace(STATUS, t=7.0, phase="quiet")):
        progress.status(status)
    lines = stream.getvalue().splitlines()
    assert [line.split(",")[0] for line in lines] == ["soak: cycle 2/8 load", "soak: cycle 2/8 quiet"]
    assert all(char.isprintable() for line in lines for char in line)


def seen(cycles: int = 3) -> Memory:
    """A run that rises by 2 MB a cycle of 10 s: 40 MB and the load on top of it, quiet in the last 3 s."""
    memory = Memory()
    for t in range(cycles * 10):
        load = 5.0 * (t % 10) / 7 if t % 10 < 7 else 0.0
        phase = "load" if t % 10 < 7 else "quiet"
        status = replace(STATUS, t=float(t), cycle=t // 10, phase=phase, rss=(40 + 2 * (t // 10) + load) * 2**20)
        memory.see(status)
    return memory


def test_the_curve_grows_into_the_width_of_the_whole_run() -> None:
    """Three of eight cycles: the right part is still empty, the highest value is at the top, troughs say their rise."""
    status = replace(STATUS, t=30.0, seconds_left=50.0, cycle=2, verdict="leak")
    lines = drawing(status, seen(), 80)
    assert lines[0].startswith("LEAK so far, cycle 3/8 load, 50s left")
    assert "troughs 40 MB, 42 MB, 44 MB (+2 MB per cycle)" in lines
    rows = [line.split("│")[1] for line in lines if "│" in line]
    assert len(rows) == ROWS and lines[1].startswith("  48.3 MB │") and "40 MB" in lines[ROWS]
    assert all(len(row) <= 27 for row in rows), "30 s of 80 s are three eighths of 69 columns"
    assert lines[ROWS + 1].count("┴") == 8
    assert lines[-1] == "20.0 req/s, 120 landed, 3 failed"


def test_no_line_is_wider_than_the_terminal() -> None:
    """Fifty columns have a curve, thirty have the words alone."""
    for width in (30, 39, 40, 50, 110):
        lines = drawing(STATUS, seen(8), width)
        assert max(map(len, lines)) <= width
        assert (len(lines) > 2) == (width >= 40)


def test_what_is_kept_is_bounded() -> None:
    """A night of seconds: no more than MOST values, and the highest is still among them."""
    memory = Memory()
    for t in range(20_000):
        memory.see(replace(STATUS, t=float(t), rss=1e9 if t == 777 else 1e6))
    assert len(memory.points) <= MOST and max(value for _, value in memory.points) == 1e9


def test_a_terminal_gets_a_curve_that_is_taken_away() -> None:
    """On a real terminal of 50 columns: drawn in place, messages above it, nothing of it left at the end."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 50, 0, 0))
    told: list[bytes] = []
    reader = threading.Thread(target=read_all, args=(master, told))
    reader.start()  # a terminal that nobody reads is full after 4 KB
    with os.fdopen(slave, "w") as stream:
        progress = progress_for(stream)
        for t in range(5):
            progress.status(replace(STATUS, t=float(t), rss=(50 + t) * 2**20))
        progress.message("after cycle 1: clean so far")
        progress.close()
    reader.join()
    os.close(master)
    text = b"".join(told).decode()
    assert "└" in text and "after cycle 1: clean so far" in text
    assert not text.rpartition("\x1b[2K")[2].strip("\r\n\x1b[?25hA1"), "after the last line was erased nothing is drawn"


def read_all(terminal: int, told: list[bytes]) -> None:
    """Until the other end is closed, which a terminal says with an error."""
    with suppress(OSError):
        while part := os.read(terminal, 4096):
            told.append(part)


def test_watching_begins_with_what_was_before() -> None:
    """The history of the run is asked for once; when the daemon goes away the command ends with 4."""
    asked: list[str] = []
    run = {field.name: getattr(STATUS, field.name) for field in fields(STATUS)}
    answers: dict[str, dict[str, Any]] = {
        "/api/status": {"run": run, "sentence": "run 1"},
        "/api/runs/1": {"run": {"cycle_seconds": 4.0, "quiet_seconds": 1.0}},
        "/api/runs/1/curves": {
            "series": [{"name": "rss", "points": [[1.0, 1.0, 9e6], [3.5, 7e6, 8e6], [4.0, None, None]]}]
        },
    }

    def ask(path: str) -> dict[str, Any] | None:
        asked.append(path)
        return answers[path] if asked.count("/api/status") < 4 else None

    screen = io.StringIO()
    watched = Watched(ask, TerminalProgress(screen))
    assert watched.look() and watched.look() and asked.count("/api/runs/1/curves") == 1
    assert watched.memory.points[:2] == [(1.0, 9e6), (3.5, 8e6)] and watched.memory.troughs == {0: 8e6}
    answers["/api/status"] = {"run": None, "sentence": "idle"}
    assert watched.look() and "idle" in screen.getvalue()
    assert follow(ask, "127.0.0.1:1", sleep=lambda _: None) == 4


def test_ctrl_c_is_the_way_to_stop_watching() -> None:
    """It ends with 0, and puts the picture away."""

    def ask(path: str) -> dict[str, Any] | None:
        raise KeyboardInterrupt

    assert follow(ask, "127.0.0.1:1") == 0
