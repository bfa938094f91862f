"""The progress line: what matters most comes first, and a phase is told once."""

from __future__ import annotations

import io
from dataclasses import replace

from soak.commands.progress import PlainProgress, described
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
