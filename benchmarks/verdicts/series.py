"""One synthetic series with its truth, and the registry of the shapes that make them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from benchmarks.verdicts.noise import MB, Floats, Grid
from soak.analysis.results import Kind

Rng = np.random.Generator
Part = Callable[[Rng, Grid], Floats]  # values on top of others
Shape = Callable[[Rng, Grid, float], "Series"]


@dataclass(frozen=True)
class Series:
    """What `judge` is given, and the growth per hour that is in it."""

    times: Floats
    values: Floats
    limit: float
    truth: float
    kind: Kind = "bytes"
    restarts: tuple[float, ...] = ()


@dataclass(frozen=True)
class Family:
    """Named shapes; a benign shape ignores its rate, a leaking one grows by it (units per hour)."""

    benign: dict[str, Shape]
    leaking: dict[str, Shape]
    grid: Callable[[Rng, Grid], Grid] = lambda rng, g: g  # of each series, where they differ


PER_CYCLE = {"bytes": MB, "count": 0.5}


def limit_of(name: str, g: Grid) -> float:
    """The default limit, per hour: 1 MB or half a handle per cycle; a shape that counts says so in its name."""
    return PER_CYCLE["count" if name.startswith("counts") else "bytes"] * 3600.0 / g.cycle_seconds


def of_bytes(g: Grid, values: Floats, truth: float, restarts: tuple[float, ...] = ()) -> Series:
    """A memory series in whole pages."""
    return Series(g.t, np.ceil(values / 4096.0) * 4096.0, limit_of("", g), truth, "bytes", restarts)


def of_counts(g: Grid, values: Floats, truth: float) -> Series:
    """An integer series."""
    return Series(g.t, np.round(values), limit_of("counts", g), truth, "count")


def kept(series: Series, there: np.ndarray) -> Series:
    """Only the samples selected: what was missed is not in the series."""
    return Series(series.times[there], series.values[there], series.limit, series.truth, series.kind, series.restarts)


def grown(g: Grid, rate: float) -> Floats:
    """A steady leak of `rate` per hour."""
    return rate * g.t / 3600.0


def on_top(base: Part, part: Part, leaking: bool) -> Shape:
    """A base, a part on top of it, and a steady leak or none."""

    def shape(rng: Rng, g: Grid, rate: float) -> Series:
        truth = rate if leaking else 0.0
        return of_bytes(g, base(rng, g) + part(rng, g) + grown(g, truth), truth)

    return shape


def benign(shape: Shape) -> Shape:
    """The same without its leak."""
    return lambda rng, g, rate: shape(rng, g, 0.0)


def family(
    base: Part,
    parts: Iterable[Part],
    shapes: Iterable[Shape],
    *,
    benign_parts: Iterable[Part] = (),
    benign_shapes: Iterable[Shape] = (),
    leaking_shapes: Iterable[Shape] = (),
    grid: Callable[[Rng, Grid], Grid] = Family.grid,
) -> Family:
    """Each part on top of the base, and whole shapes, with a leak and without; the rest is one or the other alone.

    They go by the names of their functions.
    """
    quiet = {part.__name__: on_top(base, part, False) for part in (*parts, *benign_parts)}
    leaking = {part.__name__: on_top(base, part, True) for part in parts}
    return Family(
        {**quiet, **{shape.__name__: benign(shape) for shape in (*shapes, *benign_shapes)}},
        {**leaking, **{shape.__name__: shape for shape in (*shapes, *leaking_shapes)}},
        grid,
    )
