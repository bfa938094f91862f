"""The memory of a run that goes on as a curve of blocks: what it is now, its troughs, how much of the run is left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from soak.config import format_duration
from soak.progress import Status
from soak.report.units import amount, short

ROWS = 4
NARROW = 40  # columns: below that the curve says nothing
LABEL = 9  # columns of the scale at the left
MOST = 2000  # values that are kept: more than any terminal has columns
TROUGHS_SHOWN = 4
_BLOCKS = " ▁▂▃▄▅▆▇█"

Point = tuple[float, float]  # seconds of run time, bytes


@dataclass(slots=True)
class Memory:
    """What was seen of the memory so far: bounded, however long the run."""

    points: list[Point] = field(default_factory=list)
    troughs: dict[int, float] = field(default_factory=dict)  # lowest in the quiet phase, by cycle

    def see(self, status: Status) -> None:
        """Take in one status."""
        if status.rss is None or status.t < 0:
            return
        self.points.append((status.t, status.rss))
        if status.phase == "quiet":
            self.troughs[status.cycle] = min(status.rss, self.troughs.get(status.cycle, status.rss))
        if len(self.points) > MOST:
            pairs = zip(self.points[::2], self.points[1::2], strict=False)
            self.points = [max(pair, key=lambda point: point[1]) for pair in pairs]

    def fill(self, points: Iterable[Point], cycle_seconds: float, quiet_seconds: float) -> None:
        """Take in what was before somebody began to watch."""
        for t, value in points:
            self.points.append((t, value))
            cycle, since = divmod(t, cycle_seconds)
            if since >= cycle_seconds - quiet_seconds:
                self.troughs[int(cycle)] = min(value, self.troughs.get(int(cycle), value))


def drawing(status: Status, memory: Memory, width: int) -> list[str]:
    """The lines of the picture, none wider than `width`; the curve spans the whole run, so it shows what is left."""
    lines = [clipped(head(status), width)]
    if width >= NARROW and memory.points:
        lines += curve(status, memory.points, width)
        lines += [clipped(line, width) for line in [trough_line(memory.troughs)] if line]
    return [*lines, clipped(load_line(status), width)]


def head(status: Status) -> str:
    """What matters most, first: a narrow terminal cuts off the end."""
    verdict = f"{status.verdict.upper()} so far, " if status.verdict else ""
    left = format_duration(round(status.seconds_left))
    return f"{verdict}cycle {status.cycle + 1}/{status.cycles} {status.phase}, {left} left, run {status.run_id}"


def load_line(status: Status) -> str:
    """Rate and what came of it."""
    failed = f", {short(status.errors)} failed" if status.errors else ""
    return f"{status.rate:.1f} req/s, {short(status.requests)} landed{failed}"


def trough_line(troughs: dict[int, float]) -> str:
    """The latest troughs, and what they rose by per cycle."""
    if not troughs:
        return ""
    known = sorted(troughs)
    shown = ", ".join(amount(troughs[cycle], "bytes") for cycle in known[-TROUGHS_SHOWN:])
    text = f"troughs {'… ' if len(known) > TROUGHS_SHOWN else ''}{shown}"
    if len(known) > 1:
        rise = (troughs[known[-1]] - troughs[known[0]]) / (known[-1] - known[0])
        text += f" ({'+' if rise > 0 else ''}{amount(rise, 'bytes')} per cycle)"
    return text


def curve(status: Status, points: Sequence[Point], width: int) -> list[str]:
    """The area below the memory, ROWS high, with a scale at the left and the cycles below."""
    columns = width - LABEL - 2
    whole = max(status.t + status.seconds_left, 1e-9)
    cells: list[float | None] = [None] * columns
    for t, value in points:
        place = min(columns - 1, int(t / whole * columns))
        cells[place] = value if cells[place] is None else max(value, cells[place] or 0.0)
    low, high = min(value for _, value in points), max(value for _, value in points)
    ground = low - 0.15 * (high - low or 1.0)  # so that the lowest value is no empty column
    levels = [None if cell is None else (cell - ground) / ((high - ground) or 1.0) * ROWS * 8 for cell in cells]
    scale = {0: amount(high, "bytes"), ROWS - 1: amount(low, "bytes")}
    lines = [f"{scale.get(row, ''):>{LABEL}} │{_row(levels, ROWS - 1 - row)}".rstrip() for row in range(ROWS)]
    return [*lines, f"{'':{LABEL}} └{_cycles(status, columns)}"]


def _row(levels: Sequence[float | None], row: int) -> str:
    """One line of blocks; `row` counts from the ground."""
    return "".join(" " if level is None else _BLOCKS[max(0, min(8, round(level) - 8 * row))] for level in levels)


def _cycles(status: Status, columns: int) -> str:
    """The ground, with a mark where a cycle ends."""
    ends = {round(columns * cycle / status.cycles) - 1 for cycle in range(1, status.cycles + 1)}
    if len(ends) > columns // 3:
        return "─" * columns
    return "".join("┴" if place in ends else "─" for place in range(columns))


def clipped(text: str, width: int) -> str:
    """Not wider than the terminal."""
    return text if len(text) <= width else f"{text[: width - 1]}…"
