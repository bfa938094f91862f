"""A second family of shapes: no shape of it was tuned on, though its scores were seen while odds were chosen.

Its base is another one too: levels that jitter from cycle to cycle, noise whose size follows the load, a warm-up that
slows down like a logarithm.
"""

from __future__ import annotations

import numpy as np

from benchmarks.verdicts.noise import MB, Floats, Grid, correlated, events, pages, walk, white
from benchmarks.verdicts.series import Rng, Series, family, grown, kept, of_bytes, of_counts


def _per_cycle(rng: Rng, g: Grid, sd: float) -> Floats:
    """One random level per cycle."""
    levels: Floats = rng.normal(0.0, sd, g.cycles)[np.minimum(g.u.astype(int), g.cycles - 1)]
    return levels


def _base(rng: Rng, g: Grid) -> Floats:
    jitter = _per_cycle(rng, g, rng.uniform(0.02, 0.25) * MB)
    busy = rng.uniform(0, 6) * MB * np.sqrt(g.load) * (1 + 0.2 * rng.normal(size=g.t.size))
    slow = rng.choice([0.0, rng.uniform(0.2, 1.0)]) * MB * np.log1p(20 * g.u) / 3.0
    fade = np.exp(-g.u / 0.6)
    return np.asarray(
        rng.uniform(30, 300) * MB
        + jitter
        + busy
        + slow * fade
        + rng.uniform(1, 6) * MB * (1 - fade**6)
        + white(rng, g, 0.1 * MB)
    )


def lognormal_tails(rng: Rng, g: Grid) -> Floats:
    """Noise that only ever adds, now and then a lot."""
    return rng.lognormal(-2.0, 1.0, g.t.size) * MB


def adaptive_collector(rng: Rng, g: Grid) -> Floats:
    """Collects whenever a threshold is reached that itself jitters; allocation follows the load."""
    out, level, top = np.empty(g.t.size), 0.0, rng.uniform(3, 12) * MB
    gain = top / rng.uniform(0.1, 0.4) * g.interval / g.cycle_seconds
    for i, load in enumerate(g.load):
        level += gain * (0.2 + load)
        if level > top * rng.uniform(0.9, 1.1):
            level = rng.uniform(0, 0.1) * top
        out[i] = level
    return out


def settling_late(rng: Rng, g: Grid) -> Floats:
    """One-off growth of 0.3 to 1.3 limits that ends after two or three cycles."""
    return rng.uniform(0.3, 1.3) * MB * np.minimum(g.u / rng.uniform(1.5, 3.0), 1.0)


def power_law_cache(rng: Rng, g: Grid) -> Floats:
    """A cache hit by a skewed distribution of keys, bounded."""
    return rng.uniform(2, 12) * MB * (1.0 - (1.0 + 3.0 * g.work) ** -2.0)


def buffer_flush(rng: Rng, g: Grid) -> Floats:
    """A buffer flushed at random intervals of about a tenth to half a cycle."""
    edges = np.cumsum(rng.exponential(rng.uniform(0.1, 0.4), g.cycles * 30))
    k = np.searchsorted(edges, g.u)
    return np.asarray(rng.uniform(2, 10) * MB * (g.u - np.concatenate([[0.0], edges])[k]))


def level_shift_back(rng: Rng, g: Grid) -> Floats:
    """Up for one to two cycles, and down again."""
    at = rng.uniform(0.2, 0.6) * g.cycles
    return np.where((g.u > at) & (g.u < at + rng.uniform(0.5, 2.0)), rng.uniform(1, 10) * MB, 0.0)


def daily_wave(rng: Rng, g: Grid) -> Floats:
    """A wave over a day of cycles: locally a slope, in the long run none."""
    return rng.uniform(0.2, 1.0) * MB * np.cos(2 * np.pi * g.u / 24.0 + rng.uniform(0, 6.28))


def large_step(rng: Rng, g: Grid) -> Floats:
    """5 to 40 MB, once, at any time."""
    return np.where(g.u > rng.uniform(0.1, 0.95) * g.cycles, rng.uniform(5, 40) * MB, 0.0)


def drifting_noise(rng: Rng, g: Grid) -> Floats:
    """Sticky noise and a random walk together."""
    return correlated(rng, g, rng.uniform(0.1, 0.4) * MB, rng.uniform(0.3, 2.0)) + walk(rng, g, 0.1 * MB)


def trimming_allocator(rng: Rng, g: Grid) -> Floats:
    """Gives back what it holds once in a few cycles."""
    return rng.uniform(1, 4) * MB * (1 - ((g.u * rng.uniform(0.7, 3.0) + rng.uniform()) % 1.0 > 0.5))


_ON_TOP = (
    lognormal_tails,
    adaptive_collector,
    settling_late,
    power_law_cache,
    buffer_flush,
    level_shift_back,
    daily_wave,
    large_step,
    drifting_noise,
    trimming_allocator,
)


def plain(rng: Rng, g: Grid, rate: float) -> Series:
    """Nothing but the base (and the leak)."""
    return of_bytes(g, _base(rng, g) + grown(g, rate), rate)


def bursts_of_gaps(rng: Rng, g: Grid, rate: float) -> Series:
    """Stretches of a tenth of a cycle without samples."""
    away = np.zeros(g.t.size, dtype=bool)
    for start in rng.uniform(0, g.cycles, g.cycles):
        away |= (g.u > start) & (g.u < start + 0.1)
    return kept(plain(rng, g, rate), ~away)


def two_restarts(rng: Rng, g: Grid, rate: float) -> Series:
    """Restarted after a third and two thirds (long runs) or once (short ones)."""
    marks = (np.array([0.5]) if g.cycles < 8 else np.array([0.36, 0.7])) * g.cycles + rng.uniform(-0.3, 0.3)
    since = g.u - np.concatenate([[0.0], marks])[np.searchsorted(marks, g.u)]
    values = _base(rng, g) + rng.uniform(1, 5) * MB * (1 - np.exp(-since / 0.1)) + rate * since * g.cycle_seconds / 3600
    return of_bytes(g, values, rate, tuple((marks * g.cycle_seconds).tolist()))


def under_load_only(rng: Rng, g: Grid, rate: float) -> Series:
    """Leaks with the load, in 64 KB pieces, measured in arenas of 256 KB."""
    leaked = np.floor(rate * g.cycle_seconds / 3600.0 * g.work / 65536.0) * 65536.0
    return of_bytes(g, pages(_base(rng, g) + leaked, 262144.0), rate)


def compound_chunks(rng: Rng, g: Grid, rate: float) -> Series:
    """Chunks of random size at random times, about six an hour."""
    mean = rate * g.cycle_seconds / 3600.0 / 6.0
    count = events(rng, g, 6.0, False).astype(int)
    sizes = np.concatenate([[0.0], np.cumsum(rng.exponential(mean, int(count.max()) + 1))])
    return of_bytes(g, _base(rng, g) + sizes[count], rate)


def counts_of_workers(rng: Rng, g: Grid, rate: float) -> Series:
    """Threads that come and go with the load, a few of which linger into the quiet phase."""
    lingering = np.round(np.abs(_per_cycle(rng, g, 0.4)))
    values = 8 + lingering + np.round(20 * np.sqrt(g.load)) + events(rng, g, rate * g.cycle_seconds / 3600.0, True)
    return of_counts(g, values, rate)


def counts_at_rest(rng: Rng, g: Grid, rate: float) -> Series:
    """Handles that do not follow the load; lost at random where they are lost."""
    return of_counts(g, 40 + events(rng, g, rate * g.cycle_seconds / 3600.0, False) * (rate > 0), rate)


FAMILY = family(
    _base,
    _ON_TOP,
    (plain, bursts_of_gaps, two_restarts, counts_of_workers, counts_at_rest),
    leaking_shapes=(under_load_only, compound_chunks),
)
