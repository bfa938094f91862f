"""Back to the baseline: at once, and within the grace time."""

from __future__ import annotations

import numpy as np

from soak.analysis import judge_cleanup

C = 100.0
T = np.arange(0.0, 6 * C, 1.0)
PHASE = (T / C) % 1.0


def test_handles_that_are_closed_with_the_load_pass_both():
    """30 sockets under load, none after it."""
    r = judge_cleanup(T, 10 + np.where(PHASE < 0.7, 30, 0), C, 0.7, 15.0)
    assert (r.immediate, r.within_grace, r.residual) == ("pass", "pass", 0.0)


def test_handles_that_linger_fail_at_once_and_pass_in_time():
    """Closed ten seconds after the load drops: not immediate, but within 15 s."""
    r = judge_cleanup(T, 10 + np.where(PHASE < 0.8, 30, 0), C, 0.7, 15.0)
    assert (r.immediate, r.within_grace) == ("fail", "pass")


def test_one_handle_lost_per_cycle_fails():
    """Each cycle ends one above the quiet phase before it: a residual of 1 against a margin of a half."""
    r = judge_cleanup(T, 10 + np.where(PHASE < 0.7, 30, 0) + T // C, C, 0.7, 15.0)
    assert (r.immediate, r.within_grace, r.residual, r.margin) == ("fail", "fail", 1.0, 0.5)


def test_memory_may_keep_a_tenth_of_its_amplitude():
    """2 MB of 30 MB may stay; 6 MB may not."""
    under_load = np.where(PHASE < 0.7, 30e6, 0.0)
    for kept, expected in ((2e6, "pass"), (6e6, "fail")):
        y = 50e6 + under_load + kept * (T // C + (PHASE >= 0.7))
        assert judge_cleanup(T, y, C, 0.7, 15.0, 4096.0).within_grace == expected


def test_a_grace_longer_than_the_quiet_phase_cannot_fail():
    """30 s of quiet cannot disprove a grace of 60 s."""
    r = judge_cleanup(T, 10 + np.where(PHASE < 0.7, 30, 5) + 5 * (T // C), C, 0.7, 60.0)
    assert r.within_grace == "inconclusive"


def test_a_single_cycle_or_a_restart_decides_nothing():
    """One cycle has no quiet phase before it; a cycle with a restart has another process's."""
    first = T < C
    assert judge_cleanup(T[first], T[first], C, 0.7, 15.0).immediate == "inconclusive"
    r = judge_cleanup(T, T * 0.0, C, 0.7, 15.0, restarts=(150.0, 350.0))
    assert r.cycles_used == 1  # cycles 1, 2, 3 and 4 touch a restart, cycle 0 has nothing before it
