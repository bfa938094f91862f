"""Shapes are exact: rate, integral and inverse agree with values worked out by hand and with each other."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soak.load import LoadPlan, ScenarioPlan
from soak.load.shapes import Capacity, Constant, Piece, Ramp, Sawtooth, Shape, Silence, Spike, Steps

SAWTOOTH = Sawtooth(cycle=10, quiet=2, low=1, high=9)  # slope 1/s; 8 s x mean 5/s = 40 arrivals in a cycle


def test_a_sawtooth_rises_and_falls_silent() -> None:
    """1/s at the start, 5/s in the middle, 9/s at the end of the loaded part, nothing in the quiet part."""
    assert [SAWTOOTH.rate(t) for t in (0, 4, 8, 9.9, 10, 14)] == [1, 5, 0, 0, 1, 5]
    assert SAWTOOTH.rate(7.999999) == pytest.approx(9)


def test_the_integral_of_a_sawtooth_is_in_closed_form() -> None:
    """due(u) = u + u^2 / 2 within the loaded part: 12 at 4 s, 40 at 8 s and through the quiet part."""
    assert [SAWTOOTH.due(t) for t in (0, 4, 8, 9, 10, 14)] == pytest.approx([0, 12, 40, 40, 40, 52])


def test_the_inverse_leaps_over_the_quiet_part() -> None:
    """Arrival 39 (of 0 to 39) is due at the end of the first cycle's load, arrival 40 just after 10 s."""
    # u + u^2 / 2 = 39.5 gives u = sqrt(80) - 1; u + u^2 / 2 = 0.5 gives u = sqrt(2) - 1
    assert SAWTOOTH.when(39.5) == pytest.approx(math.sqrt(80) - 1)
    assert SAWTOOTH.when(40.5) == pytest.approx(10 + math.sqrt(2) - 1)


def test_wait_counts_down_to_the_next_arrival() -> None:
    """With the clock handed in: at 10 s and 40 sent, sqrt(2) - 1 s are left; when late, none."""
    assert SAWTOOTH.wait(10.0, 40) == pytest.approx(math.sqrt(2) - 1)
    assert SAWTOOTH.wait(11.0, 40) == 0.0


def test_nothing_drifts_in_a_year() -> None:
    """After 3,153,600 cycles of 10 s the integral is exact and the inverse within a microsecond."""
    year = 31_536_000.0
    assert SAWTOOTH.due(year) == 3_153_600 * 40
    assert SAWTOOTH.when(3_153_600 * 40 + 12) == pytest.approx(year + 4, abs=1e-6)


SHAPES: list[Shape] = [
    SAWTOOTH,
    Sawtooth(3600, 540, 1, 50),
    Sawtooth(40, 6, 0, 0.2),
    Constant(60, 9, 7),
    Ramp(10, 2, 0, 30, cycles=4),
    Steps(10, 2, (0, 10, 50, 100)),
    Spike(10, 2, 5, 100),
    Capacity(10, 2, 10, cycles=5),
]


@given(st.sampled_from(SHAPES), st.floats(0.01, 5000))
def test_the_inverse_inverts_the_integral(shape: Shape, n: float) -> None:
    """due(when(n)) is n, for every shape and every n."""
    assert shape.due(shape.when(n)) == pytest.approx(n, rel=1e-9, abs=1e-6)


@given(st.sampled_from(SHAPES), st.floats(0, 500))
def test_the_integral_is_that_of_the_rate(shape: Shape, t: float) -> None:
    """The midpoint sum of the rate over [t, t + 0.1] is the difference of the integrals."""
    steps = 400
    area = sum(shape.rate(t + (i + 0.5) * 0.1 / steps) for i in range(steps)) * 0.1 / steps
    assert shape.due(t + 0.1) - shape.due(t) == pytest.approx(area, abs=0.02 * max(shape.peak, 0.1) * 0.1 + 1e-6)


def test_every_shape_has_its_levels() -> None:
    """Each at the moments that make it what it is."""
    assert Constant(10, 2, 7).rate(7.9) == 7
    assert [Ramp(10, 2, 0, 30, cycles=3).rate(t) for t in (0, 10, 20)] == [0, 10, 20]
    assert [Steps(10, 2, (0, 10, 50, 100)).rate(t) for t in (1, 3, 5, 7, 9)] == [0, 10, 50, 100, 0]
    assert [Spike(10, 0, 5, 100).rate(t) for t in (4.4, 4.6, 5.4, 5.6)] == [5, 100, 100, 5]
    assert [Capacity(10, 2, 10, cycles=3).rate(t) for t in (0, 10, 20)] == pytest.approx([10, 11, 12.1])
    assert Silence(10).when(1) == math.inf


@pytest.mark.parametrize(
    ("period", "pieces"),
    [
        (0, []),
        (10, [Piece(0, 5, -1, 1)]),
        (10, [Piece(0, 5, 1, 1), Piece(4, 6, 1, 1)]),
        (10, [Piece(5, 5, 1, 1)]),
        (10, [Piece(5, 11, 1, 1)]),
    ],
)
def test_impossible_shapes_are_refused(period: float, pieces: list[Piece]) -> None:
    """No period, a negative rate, overlap, an empty piece, a piece that leaves the period."""
    with pytest.raises(ValueError, match=r"period|piece"):
        Shape(period, pieces, "")


def test_a_quiet_part_as_long_as_the_cycle_is_refused() -> None:
    """There would be no load."""
    with pytest.raises(ValueError, match="quiet"):
        Sawtooth(10, 10, 1, 2)


def test_a_shape_says_and_draws_itself() -> None:
    """The sentence names rates and times; the drawing rises to the top row and is empty in the quiet part."""
    assert Sawtooth(3600, 540, 1, 50).sentence() == (
        "sawtooth: from 1 to 50 requests/s over 51 min, then quiet for 9 min, every 1 h"
    )
    lines = SAWTOOTH.drawing(40).splitlines()
    assert lines[0] == "9 requests/s"
    assert lines[1].endswith("#")
    assert all(len(line) <= 32 for line in lines[1:7])  # 80 % of 40 columns are loaded
    assert lines[6].startswith("#")
    assert lines[-1].endswith("10 s")


@pytest.mark.parametrize(
    ("profile", "rates"),
    [("baseline", 1), ("normal", 10), ("peak", 50), ("stress", 100)],
)
def test_named_profiles_are_users(profile: str, rates: float) -> None:
    """1, 10, 50 and 100 users, one request per user and second."""
    plan = LoadPlan("http://127.0.0.1", profile=profile, cycle=300, quiet=30)
    assert plan.closed
    assert plan.shape().rate(10) == rates
    assert plan.shape().unit == "users"


def test_users_take_the_place_of_the_rate() -> None:
    """With users = 40 a sawtooth goes from 1 to 40 users."""
    plan = LoadPlan("http://127.0.0.1", users=40, cycle=10, quiet=2)
    assert (plan.shape().rate(0), plan.shape().rate(7.99999)) == (1, pytest.approx(40, abs=0.01))


def test_a_scenario_has_a_rate_or_a_count_of_its_own() -> None:
    """rate = 5 is constant in the loaded part; count = 16 in a cycle with 8 loaded seconds is 2/s."""
    plan = LoadPlan("http://127.0.0.1", cycle=10, quiet=2)
    assert plan.own_shape(ScenarioPlan(rate=5)).rate(1) == 5
    assert plan.own_shape(ScenarioPlan(count=16)).due(10) == pytest.approx(16)
    assert plan.own_shape(ScenarioPlan(count=16)).rate(9) == 0
