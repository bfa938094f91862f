"""The parts that series are made of: load, collector, flush, allocator, noise. All in units of the value.

A `Grid` is the time axis of one series; `u` is time in cycles, `phase` its fraction. Every part is a function of a
seeded generator and a grid, and returns one value per sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[Any]
MB = 1048576.0


@dataclass(frozen=True)
class Grid:
    """Sample times of `cycles` cycles of `cycle_seconds`, every `interval` seconds; the load stops at phase `quiet`."""

    cycles: int
    cycle_seconds: float = 3600.0
    interval: float = 10.0
    quiet: float = 0.85
    form: str = "sawtooth"  # of the load: or plateau, or triangle

    @property
    def t(self) -> Floats:
        """Seconds since the run began."""
        return np.arange(0.0, self.cycles * self.cycle_seconds, self.interval)

    @property
    def u(self) -> Floats:
        """Time in cycles."""
        return self.t / self.cycle_seconds

    @property
    def phase(self) -> Floats:
        """Phase within the cycle."""
        return self.u % 1.0

    @property
    def load(self) -> Floats:
        """The load, 0 to 1, and 0 in the quiet phase."""
        p = self.phase / self.quiet
        shape = {"sawtooth": p, "plateau": np.ones_like(p), "triangle": 1.0 - np.abs(2.0 * p - 1.0)}[self.form]
        return np.where(p < 1.0, shape, 0.0)

    @property
    def work(self) -> Floats:
        """Share of all work done since the beginning, in cycles: 1.0 after each cycle."""
        p = np.minimum(self.phase / self.quiet, 1.0)
        second = np.where(p < 0.5, 2.0 * p * p, 1.0 - 2.0 * (1.0 - p) ** 2)
        return np.asarray(np.floor(self.u) + {"sawtooth": p * p, "plateau": p, "triangle": second}[self.form])


def white(rng: np.random.Generator, g: Grid, sd: float) -> Floats:
    """Independent noise per sample."""
    return rng.normal(0.0, sd, g.t.size)


def correlated(rng: np.random.Generator, g: Grid, sd: float, tau: float) -> Floats:
    """A first-order autoregression with standard deviation `sd` and correlation time `tau` cycles."""
    a = float(np.exp(-g.interval / (tau * g.cycle_seconds)))
    e = rng.normal(0.0, sd * np.sqrt(1 - a * a), g.t.size)
    e[0] = rng.normal(0.0, sd)
    out = np.empty_like(e)
    level = 0.0
    for i, x in enumerate(e):
        level = a * level + x
        out[i] = level
    return out


def walk(rng: np.random.Generator, g: Grid, sd_per_cycle: float) -> Floats:
    """A random walk whose increment over one cycle has this standard deviation."""
    return np.cumsum(rng.normal(0.0, sd_per_cycle * np.sqrt(g.interval / g.cycle_seconds), g.t.size))


def demand(rng: np.random.Generator, g: Grid, size: float) -> Floats:
    """Memory that follows the load: a linear sawtooth with a little noise on top of it."""
    return size * g.load * (1.0 + 0.1 * rng.normal(size=g.t.size))


def sawtooth(g: Grid, size: float, period: float, offset: float) -> Floats:
    """Grows by `size` over `period` cycles, falls to zero at once; `offset` of a period shifts it."""
    return size * ((g.u / period + offset) % 1.0)


def collector(rng: np.random.Generator, g: Grid, size: float, period: float) -> Floats:
    """A garbage collector's sawtooth: periods vary by a fifth, each collection leaves a little behind."""
    lengths = period * rng.uniform(0.8, 1.2, int(g.cycles / period * 1.5) + 4)
    edges = np.cumsum(lengths) - rng.uniform(0, period)
    k = np.searchsorted(edges, g.u, side="right")
    start = np.concatenate([[edges[0] - lengths[0]], edges])[k]
    left = rng.uniform(0, 0.05 * size, edges.size + 1)[k]
    return np.asarray(
        left + size * np.clip((g.u - start) / np.append(lengths, period)[np.minimum(k, lengths.size)], 0, 1)
    )


def settle(g: Grid, size: float, tau: float) -> Floats:
    """An exponential approach to `size` with time constant `tau` cycles."""
    return size * (1.0 - np.exp(-g.u / tau))


def filled(g: Grid, size: float, until: float) -> Floats:
    """Linear growth to `size`, reached after `until` cycles of work."""
    return size * np.minimum(g.work / until, 1.0)


def step(g: Grid, size: float, at: float) -> Floats:
    """A one-off step after `at` cycles."""
    return np.where(g.u >= at, size, 0.0)


def high_water(values: Floats, share: float) -> Floats:
    """What an allocator that returns only `1 - share` of a peak shows: the level, or a share of the highest so far."""
    return np.maximum(values, share * np.maximum.accumulate(values))


def pages(values: Floats, quantum: float = 4096.0) -> Floats:
    """Rounded up to whole pages or arenas."""
    return np.ceil(values / quantum) * quantum


def events(rng: np.random.Generator, g: Grid, per_cycle: float, regular: bool) -> Floats:
    """How many events have happened: evenly spaced (at a random offset) or a Poisson process."""
    if regular:
        return np.floor(g.u * per_cycle + rng.uniform())
    times = np.cumsum(rng.exponential(1.0 / max(per_cycle, 1e-9), int(g.cycles * per_cycle * 3) + 30))
    return np.searchsorted(times, g.u).astype(np.float64)
