"""Load shapes as maths without a clock.

Every shape is a rate that is linear in pieces and repeats with a period, so that the number of arrivals due by `t` is
its integral in closed form and the moment of the n-th arrival is the inverse of that integral: nothing drifts,
however long the run is. `t` is in seconds since the run began, rates are per second (or users, for closed models).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

DRAWING_ROWS = 6


@dataclass(frozen=True, slots=True)
class Piece:
    """A rate that goes in a straight line from `low` at `start` to `high` at `end` (seconds into the period)."""

    start: float
    end: float
    low: float
    high: float

    @property
    def area(self) -> float:
        """Arrivals due over the whole piece."""
        return (self.low + self.high) / 2 * (self.end - self.start)

    @property
    def slope(self) -> float:
        """Change of the rate per second."""
        return (self.high - self.low) / (self.end - self.start)


class Shape:
    """A rate over time: `pieces` within one period, zero between them.

    ValueError when a piece is empty, overlaps the one before it, leaves the period or has a negative rate.
    """

    def __init__(self, period: float, pieces: Sequence[Piece], text: str, unit: str = "requests/s") -> None:
        _check(period, pieces)
        self.period = period
        self.pieces = tuple(pieces)
        self.unit = unit
        self._text = text
        self._starts = [piece.start for piece in self.pieces]
        self._before = [0.0]
        for piece in self.pieces:
            self._before.append(self._before[-1] + piece.area)
        self.area = self._before[-1]  # arrivals due in one period
        self._lines = [(piece.start, piece.end, piece.low, piece.low**2, 2 * piece.slope) for piece in self.pieces]

    @property
    def peak(self) -> float:
        """The highest rate."""
        return max((max(piece.low, piece.high) for piece in self.pieces), default=0.0)

    def rate(self, t: float) -> float:
        """The rate at `t`."""
        x = t % self.period
        index = bisect_right(self._starts, x) - 1
        if t < 0 or index < 0 or x >= self.pieces[index].end:
            return 0.0
        piece = self.pieces[index]
        return piece.low + piece.slope * (x - piece.start)

    def due(self, t: float) -> float:
        """Arrivals due by `t`: the integral of the rate from 0."""
        if t <= 0:
            return 0.0
        periods, x = divmod(t, self.period)
        total = periods * self.area
        index = bisect_right(self._starts, x) - 1
        if index < 0:
            return total
        piece = self.pieces[index]
        u = min(x, piece.end) - piece.start
        return total + self._before[index] + u * (piece.low + piece.slope * u / 2)

    def when(self, n: float) -> float:
        """The moment at which the integral reaches `n` (> 0); infinity when it never does.

        Within a piece: n = low u + slope u^2 / 2, solved as u = 2 n / (low + sqrt(low^2 + 2 slope n)), the form
        of the quadratic formula that loses no digits when the slope is small.
        """
        area = self.area
        if area <= 0:
            return math.inf
        periods = n // area
        rest = n - periods * area
        index = bisect_right(self._before, rest, 1, len(self._lines)) - 1
        start, end, low, square, twice = self._lines[index]  # of the slope
        y = rest - self._before[index]
        both = low + math.sqrt(max(0.0, square + twice * y))
        moment = start + 2 * y / both if both > 0 else start
        return periods * self.period + (moment if moment < end else end)

    def wait(self, elapsed: float, sent: int) -> float:
        """Seconds until arrival number `sent` (from 0) is due when `elapsed` have passed; 0 when it is overdue.

        Arrival k is due when the integral reaches k + 1/2, so that a period of area A carries A arrivals to within
        one half at either end, whatever period it is.
        """
        return max(0.0, self.when(sent + 0.5) - elapsed)

    def sentence(self) -> str:
        """The shape in words."""
        return self._text

    def drawing(self, width: int = 60) -> str:
        """One period as a small picture in ASCII, `width` columns wide, with its highest rate and its length."""
        peak = self.peak
        rates = [self.rate((column + 0.5) * self.period / width) for column in range(width)]
        levels = [math.ceil(rate / peak * DRAWING_ROWS) if peak else 0 for rate in rates]
        rows = ["".join("#" if level >= row else " " for level in levels) for row in range(DRAWING_ROWS, 0, -1)]
        head = f"{peak:g} {self.unit}"
        foot = f"0{seconds(self.period):>{width - 1}}"
        return "\n".join([head, *(row.rstrip() for row in rows), "-" * width, foot])


def _check(period: float, pieces: Sequence[Piece]) -> None:
    if not (period > 0 and math.isfinite(period)):
        raise ValueError(f"a period must be longer than 0, not {period}")
    end = 0.0
    for piece in pieces:
        if piece.start < end or piece.end <= piece.start or piece.end > period * (1 + 1e-9):
            raise ValueError(f"the piece {piece} overlaps, is empty or leaves the period of {period} s")
        if min(piece.low, piece.high) < 0:
            raise ValueError(f"the piece {piece} has a negative rate")
        end = piece.end


def seconds(value: float) -> str:
    """A duration in the largest unit that keeps it short: `40 s`, `9 min`, `1 h`."""
    for length, unit in ((3600.0, "h"), (60.0, "min")):
        if value >= length and (value / length * 10) % 1 == 0:
            return f"{value / length:g} {unit}"
    return f"{value:g} s"


#   high |     /|
#        |   /  |          rate(u) = low + (high - low) u / loaded        0 <= u < loaded = cycle - quiet
#    low | /    |____      rate(u) = 0                                    loaded <= u < cycle
#        0   loaded  cycle
class Sawtooth(Shape):
    """Rises from `low` to `high` over the loaded part of each cycle, then nothing for `quiet` seconds."""

    def __init__(self, cycle: float, quiet: float, low: float, high: float, unit: str = "requests/s") -> None:
        loaded = _loaded(cycle, quiet)
        text = (
            f"sawtooth: from {low:g} to {high:g} {unit} over {seconds(loaded)}, "
            f"then quiet for {seconds(quiet)}, every {seconds(cycle)}"
        )
        super().__init__(cycle, [Piece(0.0, loaded, low, high)], text, unit)


#   high |------|
#        |      |          rate(u) = high                                 0 <= u < loaded
#        |      |____      rate(u) = 0                                    loaded <= u < cycle
class Constant(Shape):
    """The same rate over the loaded part of each cycle, then nothing for `quiet` seconds."""

    def __init__(self, cycle: float, quiet: float, high: float, unit: str = "requests/s") -> None:
        loaded = _loaded(cycle, quiet)
        rest = f", then quiet for {seconds(quiet)}" if quiet else ""
        text = f"constant: {high:g} {unit} for {seconds(loaded)}{rest}, every {seconds(cycle)}"
        super().__init__(cycle, [Piece(0.0, loaded, high, high)], text, unit)


#        |          __|
#        |     __|    |    cycle i of n: from low + (high - low) i / n
#    low | __|    |    |                 to low + (high - low) (i + 1) / n, then quiet
class Ramp(Shape):
    """Rises from `low` to `high` over all `cycles` of the run, quiet at the end of each cycle."""

    def __init__(
        self, cycle: float, quiet: float, low: float, high: float, cycles: int, unit: str = "requests/s"
    ) -> None:
        loaded = _loaded(cycle, quiet)
        if cycles < 1:
            raise ValueError(f"a ramp needs at least one cycle, not {cycles}")
        step = (high - low) / cycles
        pieces = [Piece(i * cycle, i * cycle + loaded, low + step * i, low + step * (i + 1)) for i in range(cycles)]
        text = (
            f"ramp: from {low:g} to {high:g} {unit} over {cycles} cycles of {seconds(cycle)}, "
            f"quiet for {seconds(quiet)} at the end of each"
        )
        super().__init__(cycle * cycles, pieces, text, unit)


#        |       __|
#        |    __|  |       rate(u) = levels[i]   i loaded / n <= u < (i + 1) loaded / n
#        | __|     |____
class Steps(Shape):
    """The given `levels` one after the other, equally long, over the loaded part of each cycle; then quiet."""

    def __init__(self, cycle: float, quiet: float, levels: Sequence[float], unit: str = "requests/s") -> None:
        loaded = _loaded(cycle, quiet)
        if not levels:
            raise ValueError("steps need at least one level")
        length = loaded / len(levels)
        pieces = [Piece(i * length, min((i + 1) * length, loaded), level, level) for i, level in enumerate(levels)]
        text = (
            f"steps: {', '.join(f'{level:g}' for level in levels)} {unit}, {seconds(round(length, 3))} each, "
            f"then quiet for {seconds(quiet)}, every {seconds(cycle)}"
        )
        super().__init__(cycle, pieces, text, unit)


#   high |    __
#        |   |  |          rate(u) = high   0.45 loaded <= u < 0.55 loaded
#    low | __|  |__|____   rate(u) = low    elsewhere in the loaded part
class Spike(Shape):
    """`low` all the time, `high` for the middle tenth of the loaded part; then quiet."""

    def __init__(self, cycle: float, quiet: float, low: float, high: float, unit: str = "requests/s") -> None:
        loaded = _loaded(cycle, quiet)
        start, end = 0.45 * loaded, 0.55 * loaded
        pieces = [Piece(0.0, start, low, low), Piece(start, end, high, high), Piece(end, loaded, low, low)]
        text = (
            f"spike: {low:g} {unit} with {high:g} for {seconds(round(end - start, 3))} in the middle, "
            f"then quiet for {seconds(quiet)}, every {seconds(cycle)}"
        )
        super().__init__(cycle, pieces, text, unit)


#        |       __|
#        |    __|    |     cycle i: low 1.1^i, then quiet; ends when the target breaks
#    low | __|   |    |
class Capacity(Shape):
    """`low` in the first cycle and `growth` more in each one after it, until the target breaks or `cycles` end."""

    def __init__(
        self, cycle: float, quiet: float, low: float, cycles: int, growth: float = 0.1, unit: str = "requests/s"
    ) -> None:
        loaded = _loaded(cycle, quiet)
        if cycles < 1 or growth <= 0 or low <= 0:
            raise ValueError("a capacity shape needs a rate, a growth and at least one cycle")
        rates = [low * (1 + growth) ** i for i in range(cycles)]
        pieces = [Piece(i * cycle, i * cycle + loaded, rate, rate) for i, rate in enumerate(rates)]
        text = (
            f"capacity: {low:g} {unit} and {growth:.0%} more in each cycle of {seconds(cycle)}, "
            f"at most {rates[-1]:.3g} in cycle {cycles}, until the target breaks"
        )
        super().__init__(cycle * cycles, pieces, text, unit)


class Silence(Shape):
    """No load at all."""

    def __init__(self, cycle: float) -> None:
        super().__init__(cycle, [], "none: no load")


def _loaded(cycle: float, quiet: float) -> float:
    if not 0 <= quiet < cycle:
        raise ValueError(f"the quiet part ({quiet} s) must be shorter than the cycle ({cycle} s)")
    return cycle - quiet
