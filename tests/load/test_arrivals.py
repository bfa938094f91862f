"""Arrivals: when, of which scenario, and by which worker; all a function of their number."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from soak.load.arrivals import Arrivals, Mix, Poisson, Regular
from soak.load.shapes import Constant, Sawtooth

SHAPE = Sawtooth(cycle=10, quiet=2, low=1, high=9)  # 40 arrivals in each cycle


def until(arrivals: Arrivals, end: float) -> list[tuple[int, float]]:
    """Number and time of the arrivals before `end`."""
    found = []
    while arrivals.time < end:
        found.append((arrivals.k, arrivals.time))
        arrivals.advance()
    return found


def test_regular_arrivals_are_where_the_integral_says() -> None:
    """Arrival k of the first cycle at u with u + u^2 / 2 = k + 1/2, so u = sqrt(2 k + 2) - 1."""
    found = until(Regular(SHAPE), 10)
    assert [k for k, _ in found] == list(range(40))
    assert [t for _, t in found] == pytest.approx([math.sqrt(2 * k + 2) - 1 for k in range(40)])


def test_every_cycle_has_the_same_arrivals() -> None:
    """The third cycle repeats the first, 20 s later."""
    times = [t for _, t in until(Regular(SHAPE), 30)]
    assert [t - 20 for t in times[80:]] == pytest.approx(times[:40])


def test_workers_share_the_arrivals() -> None:
    """Three workers together do what one would, none of it twice."""
    together = sorted(entry for worker in range(3) for entry in until(Regular(SHAPE, worker, 3), 30))
    assert together == until(Regular(SHAPE), 30)


@pytest.mark.parametrize("since", [0.0, 3.3, 8.5, 17.0])
def test_a_replaced_worker_goes_on_where_it_should_be(since: float) -> None:
    """Begun at `since`, worker 1 of 3 has exactly those of its arrivals that were not due by then."""
    expected = [(k, t) for k, t in until(Regular(SHAPE, 1, 3), 30) if t >= since]
    assert until(Regular(SHAPE, 1, 3, since), 30) == expected


def test_poisson_arrivals_have_the_rate_of_the_shape() -> None:
    """4,000 expected in 100 cycles, standard deviation 63: within five of them; none in a quiet part."""
    times = [t for _, t in until(Poisson(SHAPE, seed=1), 1000)]
    assert abs(len(times) - 4000) < 5 * math.sqrt(4000)
    assert all(t % 10 <= 8 for t in times)
    # 12 of 40 arrivals are due in the first half of the loaded part (u + u^2 / 2 at u = 4)
    assert sum(t % 10 < 4 for t in times) / len(times) == pytest.approx(0.3, abs=0.04)


def test_poisson_gaps_are_exponential() -> None:
    """At a constant 10/s: mean gap 0.1 s, and a share of exp(-1) = 37 % above the mean."""
    times = [t for _, t in until(Poisson(Constant(1000, 0, 10), seed=2), 1000)]
    gaps = [b - a for a, b in pairwise(times)]
    assert sum(gaps) / len(gaps) == pytest.approx(0.1, rel=0.06)
    assert sum(gap > 0.1 for gap in gaps) / len(gaps) == pytest.approx(math.exp(-1), abs=0.03)


def test_poisson_workers_together_have_the_whole_rate() -> None:
    """Two independent halves are one Poisson process."""
    count = sum(len(until(Poisson(SHAPE, worker, 2, seed=3), 1000)) for worker in range(2))
    assert abs(count - 4000) < 5 * math.sqrt(4000)


def test_scenarios_have_their_weight_in_every_stretch() -> None:
    """Weights 3, 1 and 0: of any 100 arrivals in a row 75 and 25, to within 3; never the last."""
    mix = Mix([3, 1, 0], [{}, {}, {}])
    for start in range(0, 5000, 100):
        picked = [mix.pick(k)[0] for k in range(start, start + 100)]
        assert abs(picked.count(0) - 75) <= 3
        assert picked.count(2) == 0


def test_faults_have_their_share_within_a_scenario() -> None:
    """10 % and 5 % of the arrivals of the scenario that has a quarter of the weight: 25 and 12.5 of 1,000."""
    mix = Mix([3, 1], [{}, {"abandon": 0.1, "reset": 0.05}])
    faults = [fault for scenario, fault in map(mix.pick, range(1000)) if scenario == 1]
    assert abs(faults.count("abandon") - 25) <= 4
    assert abs(faults.count("reset") - 12) <= 4


def test_a_share_of_one_is_every_request() -> None:
    """abandon = 1.0 leaves none out."""
    mix = Mix([1], [{"abandon": 1.0}])
    assert {mix.pick(k) for k in range(10_000)} == {(0, "abandon")}


def test_a_scenario_without_faults_beside_one_with_them_stays_well_behaved() -> None:
    """Faults belong to their own scenario, also when it is the only one with a weight."""
    assert {Mix([1, 0], [{}, {"reset": 1.0}]).pick(k) for k in range(100)} == {(0, None)}
    assert {Mix([1, 0], [{"reset": 0.0}, {}]).pick(k) for k in range(100)} == {(0, None)}


@pytest.mark.parametrize("weights", [[0.0], [-1.0, 2.0], [math.inf]])
def test_impossible_weights_are_refused(weights: list[float]) -> None:
    """All zero, negative, infinite."""
    with pytest.raises(ValueError, match=r"weight|shares"):
        Mix(weights, [{} for _ in weights])
