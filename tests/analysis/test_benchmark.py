"""The benchmark of verdicts: its shapes are what they say, and soak holds its floors on a small draw."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.verdicts import held_out, shapes, strangers
from benchmarks.verdicts.__main__ import mean, run
from benchmarks.verdicts.methods import METHODS
from benchmarks.verdicts.noise import Grid
from benchmarks.verdicts.series import limit_of


@pytest.mark.parametrize("family", [shapes.FAMILY, held_out.FAMILY, strangers.FAMILY])
def test_every_shape_is_a_series_and_seeded(family):
    """Equal lengths, ascending times, the same numbers from the same seed."""
    g = Grid(4)
    for truth, parts in (("benign", family.benign), ("leaking", family.leaking)):
        for name, shape in parts.items():
            rate = 2 * limit_of(name, g)
            s, again = (shape(np.random.default_rng(5), g, rate) for _ in range(2))
            assert s.times.shape == s.values.shape and (np.diff(s.times) > 0).all()
            assert np.array_equal(s.values, again.values)
            assert s.truth == (rate if truth == "leaking" else min(s.truth, 0.0))


def test_there_are_as_many_shapes_as_promised():
    """At least 25 benign and 22 leaking ones."""
    assert len(shapes.FAMILY.benign) >= 25
    assert len(shapes.FAMILY.leaking) >= 22


@pytest.mark.parametrize("family", [shapes.FAMILY, held_out.FAMILY, strangers.FAMILY])
def test_soak_holds_its_floors_on_a_small_draw(family):
    """Three series a shape: at most one in a hundred accused wrongly, most leaks at twice the limit found."""
    scores = run(family, {"soak": METHODS["soak"]}, Grid(8), (0.5, 2.0), 77, 3)["soak"]
    assert mean(scores, "leak", "benign", 0.0) <= 1.0
    assert mean(scores, "leak", "leaking", 0.5) <= 1.5
    assert mean(scores, "leak", "leaking", 2.0) >= 90.0
    assert mean(scores, "clean", "leaking", 2.0) <= 2.0
    assert mean(scores, "clean", "benign", 0.0) >= 85.0


def test_the_usual_methods_do_worse():
    """Last minus first accuses benign series; soak does not."""
    scores = run(shapes.FAMILY, {n: METHODS[n] for n in ("last minus first", "soak")}, Grid(6), (2.0,), 3, 1)
    assert mean(scores["last minus first"], "leak", "benign", 0.0) > 20.0
    assert mean(scores["soak"], "leak", "benign", 0.0) < 5.0
