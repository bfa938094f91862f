"""The family of shapes the method was developed on. `held_out` has the one it was not."""

from __future__ import annotations

import numpy as np

from benchmarks.verdicts.noise import (
    MB,
    Floats,
    Grid,
    collector,
    correlated,
    demand,
    events,
    filled,
    high_water,
    pages,
    sawtooth,
    settle,
    step,
    walk,
    white,
)
from benchmarks.verdicts.series import Rng, Series, family, grown, kept, of_bytes, of_counts


def _base(rng: Rng, g: Grid) -> Floats:
    """A service: a level, memory that follows the load, noise within and between cycles, a warm-up in most."""
    level = rng.uniform(40, 200) * MB
    return (
        level
        + demand(rng, g, rng.uniform(0, 10) * MB)
        + white(rng, g, rng.uniform(0.05, 0.5) * MB)
        + correlated(rng, g, rng.uniform(0.05, 0.25) * MB, rng.uniform(0.1, 1.0))
        + settle(g, rng.choice([0.0, 1.0, 1.0]) * rng.uniform(3, 30) * MB, rng.uniform(0.05, 0.35))
    )


def _hours(g: Grid) -> float:
    return g.cycle_seconds / 3600.0


# ---- what both families of truth are built from: (rng, grid) -> values on top of the base ----------------------------


def short_warm_up(rng: Rng, g: Grid) -> Floats:
    """5 to 30 MB that settle within a cycle."""
    return settle(g, rng.uniform(5, 30) * MB, rng.uniform(0.05, 0.4))


def long_warm_up(rng: Rng, g: Grid) -> Floats:
    """3 to 15 MB that take several cycles to settle."""
    return settle(g, rng.uniform(3, 15) * MB, rng.uniform(0.5, 1.2))


def linear_cache(rng: Rng, g: Grid) -> Floats:
    """A cache that fills with the work and is full by half-time."""
    return filled(g, rng.uniform(3, 30) * MB, rng.uniform(0.3, max(0.5, 0.5 * g.cycles)))


def exponential_cache(rng: Rng, g: Grid) -> Floats:
    """A cache that fills more and more slowly."""
    return settle(g, rng.uniform(3, 25) * MB, rng.uniform(0.1, 0.12 * g.cycles))


def early_step(rng: Rng, g: Grid) -> Floats:
    """One-off, in the first cycle and a half."""
    return step(g, rng.uniform(1, 20) * MB, rng.uniform(0, 1.5))


def late_step(rng: Rng, g: Grid) -> Floats:
    """One-off, in the second half."""
    return step(g, rng.uniform(1, 15) * MB, rng.uniform(0.4 * g.cycles, g.cycles))


def two_steps(rng: Rng, g: Grid) -> Floats:
    """One early and one late."""
    return early_step(rng, g) + late_step(rng, g)


def stairs_down(rng: Rng, g: Grid) -> Floats:
    """One-off, downwards."""
    return -step(g, rng.uniform(1, 10) * MB, rng.uniform(0.3, 1.0) * g.cycles)


def short_collector(rng: Rng, g: Grid) -> Floats:
    """Several garbage collections per cycle."""
    return collector(rng, g, rng.uniform(2, 20) * MB, rng.uniform(0.02, 0.2))


def long_collector(rng: Rng, g: Grid) -> Floats:
    """Two to four collections per cycle."""
    return collector(rng, g, rng.uniform(2, 15) * MB, rng.uniform(0.25, 0.6))


def flush_in_step(rng: Rng, g: Grid) -> Floats:
    """A buffer flushed one to four times a cycle, always at the same phase."""
    return sawtooth(g, rng.uniform(2, 15) * MB, 1.0 / rng.integers(1, 5), rng.uniform())


def flush_out_of_step(rng: Rng, g: Grid) -> Floats:
    """A buffer flushed at a period that is not the cycle's."""
    return sawtooth(g, rng.uniform(2, 10) * MB, rng.uniform(0.6, 1.7), rng.uniform())


def slow_wave(rng: Rng, g: Grid) -> Floats:
    """A wave over two to six cycles."""
    return rng.uniform(0.1, 0.6) * MB * np.sin(2 * np.pi * (g.u / rng.uniform(2, 6) + rng.uniform()))


def sticky_noise(rng: Rng, g: Grid) -> Floats:
    """Noise that stays for half a cycle to three."""
    return correlated(rng, g, rng.uniform(0.1, 0.5) * MB, rng.uniform(0.5, 3))


def fragmentation(rng: Rng, g: Grid) -> Floats:
    """A random walk of the floor."""
    return walk(rng, g, rng.uniform(0.05, 0.3) * MB)


def strays(rng: Rng, g: Grid) -> Floats:
    """Three samples in a thousand are nonsense."""
    hit = rng.uniform(size=g.t.size) < 0.003
    return hit * rng.uniform(-30, 60, g.t.size) * MB


def heavy_tails(rng: Rng, g: Grid) -> Floats:
    """Noise with two degrees of freedom."""
    return rng.standard_t(2.0, g.t.size) * 0.2 * MB


_ON_TOP = (
    short_warm_up,
    long_warm_up,
    linear_cache,
    exponential_cache,
    early_step,
    late_step,
    short_collector,
    long_collector,
    flush_in_step,
    flush_out_of_step,
    slow_wave,
    sticky_noise,
    fragmentation,
    strays,
    heavy_tails,
)


# ---- shapes that are more than a sum ---------------------------------------------------------------------------------


def steady(rng: Rng, g: Grid, rate: float) -> Series:
    """Nothing but the base (and the leak)."""
    return of_bytes(g, _base(rng, g) + grown(g, rate), rate)


def constant(rng: Rng, g: Grid, rate: float) -> Series:
    """Not a byte of movement."""
    return of_bytes(g, np.full(g.t.size, rng.uniform(20, 200) * MB), 0.0)


def declining(rng: Rng, g: Grid, rate: float) -> Series:
    """Shrinks, by up to twice the limit."""
    truth = -rng.uniform(0.2, 2.0) * MB / _hours(g)
    return of_bytes(g, _base(rng, g) + grown(g, truth), truth)


def high_water_mark(rng: Rng, g: Grid, rate: float) -> Series:
    """The allocator gives back only a part of each peak; how high the load peaks varies from cycle to cycle."""
    tops = rng.lognormal(0.0, 0.15, g.cycles)[np.minimum(g.u.astype(int), g.cycles - 1)]
    used = _base(rng, g) + rng.uniform(5, 15) * MB * tops * g.load + grown(g, rate)
    return of_bytes(g, high_water(used, rng.uniform(0.85, 0.95)), rate)


def arenas(rng: Rng, g: Grid, rate: float) -> Series:
    """Memory moves in arenas of 256 KB or 1 MB."""
    return of_bytes(g, pages(_base(rng, g) + grown(g, rate), float(rng.choice([0.25, 1.0])) * MB), rate)


def restarted(rng: Rng, g: Grid, rate: float) -> Series:
    """The target is restarted once: it forgets what it leaked and warms up again."""
    at = rng.uniform(0.25, 0.75) * g.cycles
    since = np.where(g.u < at, g.u, g.u - at)
    warm = rng.uniform(2, 10) * MB * (1 - np.exp(-since / rng.uniform(0.05, 0.3)))
    values = _base(rng, g) + warm + rate * since * _hours(g) + step(g, rng.uniform(-2, 2) * MB, at)
    return of_bytes(g, values, rate, (float(at * g.cycle_seconds),))


def missing(rng: Rng, g: Grid, rate: float) -> Series:
    """A random share of the samples was never taken."""
    return kept(steady(rng, g, rate), rng.uniform(size=g.t.size) > rng.uniform(0.05, 0.4))


def outage(rng: Rng, g: Grid, rate: float) -> Series:
    """The daemon was away for half a cycle to one and a half."""
    start = rng.uniform(0.2, 0.7) * g.cycles
    away = (g.u >= start) & (g.u < start + rng.uniform(0.5, 1.5) * min(1.0, g.cycles / 6))
    return kept(steady(rng, g, rate), ~away)


def per_request(rng: Rng, g: Grid, rate: float) -> Series:
    """Leaks as much as there is work, and nothing in the quiet phase."""
    return of_bytes(g, _base(rng, g) + rate * _hours(g) * g.work, rate)


def per_cycle(rng: Rng, g: Grid, rate: float) -> Series:
    """Leaks in one piece, once in each cycle."""
    return of_bytes(g, _base(rng, g) + rate * _hours(g) * np.floor(g.u + rng.uniform(0.1, 0.9)), rate)


def regular_chunks(rng: Rng, g: Grid, rate: float) -> Series:
    """Leaks in evenly spaced chunks of 0.5 to 3 MB."""
    size = rng.uniform(0.5, 3.0) * MB
    return of_bytes(g, _base(rng, g) + size * events(rng, g, rate * _hours(g) / size, True), rate)


def random_chunks(rng: Rng, g: Grid, rate: float) -> Series:
    """Leaks in chunks of 0.25 to 1 MB at random times."""
    size = rng.uniform(0.25, 1.0) * MB
    return of_bytes(g, _base(rng, g) + size * events(rng, g, rate * _hours(g) / size, False), rate)


def counts_steady(rng: Rng, g: Grid, rate: float) -> Series:
    """Descriptors that follow the load and come back (or lose one at even intervals)."""
    values = rng.integers(5, 60) + np.round(rng.uniform(0, 40) * g.load) + events(rng, g, rate * _hours(g), True)
    return of_counts(g, values, rate)


def counts_poisson(rng: Rng, g: Grid, rate: float) -> Series:
    """The same, lost at random times."""
    values = rng.integers(5, 60) + np.round(rng.uniform(0, 40) * g.load) + events(rng, g, rate * _hours(g), False)
    return of_counts(g, values, rate)


def counts_pool(rng: Rng, g: Grid, rate: float) -> Series:
    """A pool that breathes by a few, on top of the load."""
    breathing = np.round(np.abs(correlated(rng, g, rng.uniform(0.3, 2.0), rng.uniform(0.02, 0.2))))
    values = rng.integers(5, 60) + breathing + np.round(rng.uniform(0, 20) * g.load)
    return of_counts(g, values + events(rng, g, rate * _hours(g), True), rate)


def counts_filling(rng: Rng, g: Grid, rate: float) -> Series:
    """A pool that grows to its size early on."""
    return of_counts(
        g, rng.integers(5, 60) + np.round(filled(g, float(rng.integers(3, 20)), rng.uniform(0.1, 1.0))), 0.0
    )


def counts_once(rng: Rng, g: Grid, rate: float) -> Series:
    """One descriptor more, once, at any time: a log file, a lazily opened connection."""
    return of_counts(g, rng.integers(5, 60) + step(g, 1.0, rng.uniform(0, g.cycles)), 0.0)


FAMILY = family(
    _base,
    _ON_TOP,
    (steady, high_water_mark, arenas, restarted, missing, outage, counts_steady, counts_pool),
    benign_parts=(two_steps, stairs_down),
    benign_shapes=(constant, declining, counts_filling, counts_once),
    leaking_shapes=(per_request, per_cycle, regular_chunks, random_chunks, counts_poisson),
)
