"""Before and during a run."""

from __future__ import annotations

import pytest

from soak.analysis import cycles_to_decide, stop_early

MB = 1048576.0


def test_quiet_floors_decide_soon_and_short_cycles_never():
    """1 MB/h with floors of 0.1 MB takes a handful of hours; at a minute per cycle it is 17 KB and hopeless."""
    assert cycles_to_decide(MB, 3600.0, 0.1 * MB) == 4
    assert cycles_to_decide(MB, 60.0, 0.3 * MB) is None or cycles_to_decide(MB, 60.0, 0.3 * MB) > 20
    assert cycles_to_decide(60 * MB, 60.0, 0.1 * MB) == 4  # the same as 1 MB per cycle


def test_a_count_needs_its_poisson_bound():
    """No event in 3.0/0.5 = 6 hours bounds 0.5/h: seven intervals, and the first cycle goes to the warm-up."""
    assert cycles_to_decide(0.5, 3600.0, 0.0, "count") == 8


@pytest.mark.parametrize(
    ("verdicts", "stop"),
    [
        (["leak"] * 5, False),
        (["inconclusive"] * 3 + ["leak"] * 3, True),
        (["inconclusive"] * 4 + ["leak"] * 2, False),
        (["inconclusive"] * 5 + ["leak"] * 2, False),
        (["inconclusive"] * 7 + ["clean"], True),
        (["inconclusive"] * 12, False),
        ([], False),
    ],
)
def test_a_soak_stops_early_only_when_it_is_sure(verdicts, stop):
    """Three equal verdicts in a row from six cycles, one from eight, never an inconclusive one."""
    assert stop_early(verdicts) is stop
