"""A third family of shapes, written before the odds and vetoes were last changed; no shape of it was tuned on.

It differs in the grid too: cycles of 20 s to an hour, samples every 0.5 to 60 s, three forms of load, quiet phases of
10 to 30 %. Sizes are relative to the limit of one cycle, so that every grid is as hard as any other.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.verdicts.noise import MB, Floats, Grid, correlated, events, filled, pages, settle, step, walk, white
from benchmarks.verdicts.series import Rng, Series, family, grown, kept, of_bytes, of_counts


def any_grid(rng: Rng, g: Grid) -> Grid:
    """Another spacing, cycle, form of load and quiet phase; the same number of cycles."""
    seconds, spacings = [
        (20.0, (0.5, 1.0)),
        (60.0, (1.0, 2.0)),
        (300.0, (1.0, 5.0)),
        (900.0, (5.0, 15.0)),
        (3600.0, (5.0, 30.0, 60.0)),
    ][rng.integers(5)]
    form = str(rng.choice(["sawtooth", "plateau", "triangle"]))
    return Grid(g.cycles, seconds, float(rng.choice(spacings)), float(rng.uniform(0.7, 0.9)), form)


def pink(rng: Rng, g: Grid, sd: float) -> Floats:
    """Noise with a spectrum of about 1/f: correlated noises of correlation times an octave apart."""
    taus = (0.03, 0.1, 0.3, 1.0, 3.0)
    return np.asarray(sum(correlated(rng, g, sd / np.sqrt(len(taus)), tau) for tau in taus))


def _noise(rng: Rng, g: Grid) -> Floats:
    size = rng.uniform(0.02, 0.3) * MB
    kind = rng.integers(4)
    if kind == 0:
        return white(rng, g, size)
    if kind == 1:
        return rng.laplace(0.0, size, g.t.size)
    if kind == 2:
        return rng.gamma(0.5, 2.0 * size, g.t.size)
    return pink(rng, g, 0.7 * size)


def _start(rng: Rng, g: Grid) -> Floats:
    size = rng.uniform(2, 25) * MB
    kind = rng.integers(4)
    if kind == 0:
        return np.zeros(g.t.size)
    if kind == 1:
        return settle(g, size, rng.uniform(0.03, 0.3))
    if kind == 2:
        return size * np.minimum(g.u / rng.uniform(0.1, 0.9), 1.0)
    return np.asarray(size / (1.0 + np.exp(-(g.u - rng.uniform(0.1, 0.5)) / rng.uniform(0.02, 0.08))))


def _base(rng: Rng, g: Grid) -> Floats:
    jitter = rng.normal(0.0, rng.uniform(0.0, 0.15) * MB, g.cycles)[np.minimum(g.u.astype(int), g.cycles - 1)]
    demand = rng.uniform(0, 12) * MB * g.load * (1 + 0.1 * rng.normal(size=g.t.size))
    return np.asarray(rng.uniform(20, 400) * MB + demand + jitter + _noise(rng, g) + _start(rng, g))


def _per_cycle(g: Grid, rate: float) -> float:
    return rate * g.cycle_seconds / 3600.0


# ---- parts that are on top of either truth ---------------------------------------------------------------------------


def pink_floor(rng: Rng, g: Grid) -> Floats:
    """Noise on all scales."""
    return pink(rng, g, rng.uniform(0.1, 0.4) * MB)


def three_generations(rng: Rng, g: Grid) -> Floats:
    """A collector with generations: the young are collected often, the old once in a while."""
    young = rng.uniform(0.01, 0.05)
    total = np.zeros(g.t.size)
    for size, times in ((1.0, 1), (2.0, 5), (4.0, 11)):
        total += size * MB * rng.uniform(0.3, 1.0) * ((g.u / (young * times) + rng.uniform()) % 1.0)
    return total


def nightly_job(rng: Rng, g: Grid) -> Floats:
    """A job every second to third cycle that needs memory for a part of one and gives it back."""
    since = (g.u / rng.integers(2, 4) + rng.uniform()) % 1.0
    return np.where(since < rng.uniform(0.05, 0.2), rng.uniform(3, 20) * MB, 0.0)


def beating_flush(rng: Rng, g: Grid) -> Floats:
    """A buffer flushed at almost the period of the cycle."""
    return rng.uniform(1, 6) * MB * ((g.u / rng.uniform(0.85, 1.15) + rng.uniform()) % 1.0)


def quick_flush(rng: Rng, g: Grid) -> Floats:
    """A buffer flushed a few times in each cycle."""
    return rng.uniform(2, 12) * MB * ((g.u / rng.uniform(0.08, 0.45) + rng.uniform()) % 1.0)


def expiring_cache(rng: Rng, g: Grid) -> Floats:
    """Entries live for half a cycle to two, so the cache holds what was worked in that time."""
    life = rng.uniform(0.5, 2.0)
    before = np.interp(g.u - life, g.u, g.work, left=0.0)
    return rng.uniform(2, 10) * MB * (g.work - before)


def filling_cache(rng: Rng, g: Grid) -> Floats:
    """Fills with the work and is full in the first 45 % of the run."""
    return filled(g, rng.uniform(2, 20) * MB, rng.uniform(0.2, 0.45 * g.cycles))


def lazy_imports(rng: Rng, g: Grid) -> Floats:
    """One to three one-off steps in the first third."""
    parts = [
        step(g, rng.uniform(0.5, 8) * MB, rng.uniform(0, max(1.0, g.cycles / 3))) for _ in range(rng.integers(1, 4))
    ]
    return np.asarray(sum(parts))


def one_off(rng: Rng, g: Grid) -> Floats:
    """A step at any time, up or down."""
    return step(g, rng.choice([-1.0, 1.0, 1.0]) * rng.uniform(0.5, 15) * MB, rng.uniform(0, g.cycles))


def one_busy_cycle(rng: Rng, g: Grid) -> Floats:
    """One cycle stands out and the next is as before."""
    return np.where(np.floor(g.u) == rng.integers(0, g.cycles), rng.uniform(1, 15) * MB, 0.0)


def trimmed_now_and_then(rng: Rng, g: Grid) -> Floats:
    """Creeps up and is given back every one and a half to four cycles."""
    return rng.uniform(0.3, 1.5) * MB * ((g.u / rng.uniform(1.5, 4.0) + rng.uniform()) % 1.0)


def growing_noise(rng: Rng, g: Grid) -> Floats:
    """Noise that gets louder in the course of the run."""
    return np.asarray(correlated(rng, g, 0.3 * MB, 0.2) * (0.3 + 1.5 * g.u / g.cycles))


def leaning_walk(rng: Rng, g: Grid) -> Floats:
    """A random walk that is pulled back."""
    return correlated(rng, g, rng.uniform(0.2, 0.5) * MB, rng.uniform(1.0, 4.0)) + walk(rng, g, 0.05 * MB)


_ON_TOP = (
    pink_floor,
    three_generations,
    nightly_job,
    beating_flush,
    quick_flush,
    expiring_cache,
    filling_cache,
    lazy_imports,
    one_off,
    one_busy_cycle,
    trimmed_now_and_then,
    growing_noise,
    leaning_walk,
)


# ---- shapes of their own ---------------------------------------------------------------------------------------------


def plain(rng: Rng, g: Grid, rate: float) -> Series:
    """Nothing but the base (and the leak)."""
    return of_bytes(g, _base(rng, g) + grown(g, rate), rate)


def coarse(rng: Rng, g: Grid, rate: float) -> Series:
    """Moves in blocks of 64 KB to 1 MB."""
    return of_bytes(g, pages(_base(rng, g) + grown(g, rate), float(2 ** rng.integers(16, 21))), rate)


def read_once(rng: Rng, g: Grid, rate: float) -> Series:
    """One reading at the end of each cycle, as the heap is read: little noise, a cache at most."""
    at = (np.arange(g.cycles) + rng.uniform(0.93, 0.97)) * g.cycle_seconds
    start = rng.uniform(0, 5) * MB * (1 - np.exp(-at / g.cycle_seconds / rng.uniform(0.1, 0.4)))
    values = rng.uniform(2, 80) * MB + start + rng.normal(0, rng.uniform(0.001, 0.2) * MB, g.cycles)
    return replace(of_bytes(g, np.zeros(g.t.size), rate), times=at, values=values + rate * at / 3600.0)


def killed_once(rng: Rng, g: Grid, rate: float) -> Series:
    """Restarted once, anywhere but in the first and last sixth; starts anew from its level."""
    at = rng.uniform(0.17, 0.83) * g.cycles
    since = np.where(g.u < at, g.u, g.u - at)
    values = _base(rng, g) + rng.uniform(1, 15) * MB * (1 - np.exp(-since / rng.uniform(0.03, 0.25)))
    return of_bytes(g, values + _per_cycle(g, rate) * since, rate, (float(at * g.cycle_seconds),))


def cycles_missing(rng: Rng, g: Grid, rate: float) -> Series:
    """A cycle in six was not sampled at all, but at least one where there are five."""
    away = rng.choice(np.arange(1, g.cycles), max(int(g.cycles >= 5), g.cycles // 6), replace=False)
    return kept(plain(rng, g, rate), ~np.isin(np.floor(g.u), away))


def asleep(rng: Rng, g: Grid, rate: float) -> Series:
    """The machine slept for 0.2 to 0.8 cycles; a tenth of the other samples are late or lost."""
    start = rng.uniform(0.1, 0.8) * g.cycles
    away = (g.u >= start) & (g.u < start + rng.uniform(0.2, 0.8))
    return kept(plain(rng, g, rate), ~away & (rng.uniform(size=g.t.size) > 0.1))


def by_request(rng: Rng, g: Grid, rate: float) -> Series:
    """Leaks with each request."""
    return of_bytes(g, _base(rng, g) + _per_cycle(g, rate) * g.work, rate)


def by_cycle(rng: Rng, g: Grid, rate: float) -> Series:
    """Leaks once a cycle, when the load ends."""
    return of_bytes(g, _base(rng, g) + _per_cycle(g, rate) * np.floor(g.u + 1 - g.quiet), rate)


def late_leak(rng: Rng, g: Grid, rate: float) -> Series:
    """The leak begins after 5 to 25 % of the run."""
    return of_bytes(g, _base(rng, g) + rate / 3600.0 * np.maximum(g.t - rng.uniform(0.05, 0.25) * g.t[-1], 0), rate)


def leak_under_cache(rng: Rng, g: Grid, rate: float) -> Series:
    """A leak under a cache that fills in the first 40 % of the run."""
    cache = filled(g, rng.uniform(1, 15) * MB, rng.uniform(0.3, 0.4 * g.cycles))
    return of_bytes(g, _base(rng, g) + cache + grown(g, rate), rate)


def small_chunks(rng: Rng, g: Grid, rate: float) -> Series:
    """Random losses of 16 to 256 KB."""
    size = float(2 ** rng.uniform(14, 18))
    return of_bytes(g, _base(rng, g) + size * events(rng, g, _per_cycle(g, rate) / size, False), rate)


def large_chunks(rng: Rng, g: Grid, rate: float) -> Series:
    """Random losses of 0.3 to 1 MB."""
    size = rng.uniform(0.3, 1.0) * MB
    return of_bytes(g, _base(rng, g) + size * events(rng, g, _per_cycle(g, rate) / size, False), rate)


def doubling_list(rng: Rng, g: Grid, rate: float) -> Series:
    """Loses evenly, but shows it in regular pieces of 0.5 to 2.5 MB."""
    size = rng.uniform(0.5, 2.5) * MB
    return of_bytes(g, _base(rng, g) + size * events(rng, g, _per_cycle(g, rate) / size, True), rate)


def counts_descriptors(rng: Rng, g: Grid, rate: float) -> Series:
    """One for each request in flight; lost evenly."""
    values = 12 + np.round(rng.uniform(1, 50) * g.load * rng.uniform(0.7, 1.0, g.t.size))
    return of_counts(g, values + events(rng, g, _per_cycle(g, rate), True), rate)


def counts_random(rng: Rng, g: Grid, rate: float) -> Series:
    """The same, lost at random."""
    values = 12 + np.round(rng.uniform(1, 50) * g.load * rng.uniform(0.7, 1.0, g.t.size))
    return of_counts(g, values + events(rng, g, _per_cycle(g, rate), False), rate)


def counts_pairs(rng: Rng, g: Grid, rate: float) -> Series:
    """Two at a time, evenly: a socket pair, a pipe."""
    return of_counts(g, 30 + 2 * events(rng, g, _per_cycle(g, rate) / 2, True), rate)


def counts_kept_alive(rng: Rng, g: Grid, rate: float) -> Series:
    """Connections that stay open for a while after the load, now and then into the next cycle."""
    lingering = rng.binomial(2, 0.15, g.cycles + 1)[g.u.astype(int)] * (g.phase < 0.6)
    return of_counts(g, 9 + lingering + np.round(20 * g.load) + events(rng, g, _per_cycle(g, rate), True), rate)


def counts_read_once(rng: Rng, g: Grid, rate: float) -> Series:
    """Tasks, read once per cycle: a constant number and what is lost."""
    at = (np.arange(g.cycles) + 0.95) * g.cycle_seconds
    lost = np.floor(at / g.cycle_seconds * _per_cycle(g, rate) + rng.uniform())
    return replace(of_counts(g, np.zeros(g.t.size), rate), times=at, values=rng.integers(1, 200) + lost)


def counts_pool(rng: Rng, g: Grid, rate: float) -> Series:
    """Threads of a pool that is filled within the first cycle."""
    return of_counts(g, 4 + np.round(filled(g, float(rng.integers(2, 32)), rng.uniform(0.05, 0.9))), 0.0)


_COUNTS = (counts_descriptors, counts_kept_alive, counts_read_once)
_LEAKS = (by_request, by_cycle, late_leak, leak_under_cache, small_chunks, large_chunks, doubling_list)

FAMILY = family(
    _base,
    _ON_TOP,
    (plain, coarse, read_once, killed_once, cycles_missing, asleep, *_COUNTS),
    benign_shapes=(counts_pool,),
    leaking_shapes=(*_LEAKS, counts_random, counts_pairs),
    grid=any_grid,
)
