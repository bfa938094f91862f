"""Ranking allocation sites."""

from __future__ import annotations

import numpy as np
import pytest

from soak.analysis import judge_sites
from soak.analysis.sites import cohorts

C = 3600.0
T8 = np.arange(8) * C + 3500.0


def noise_sites(count: int, seed: int = 0):
    """Sites of 1 MB that jitter by a tenth."""
    rng = np.random.default_rng(seed)
    return {f"noise{i}": (T8, 1e6 + rng.normal(0, 1e5, 8), None) for i in range(count)}


def test_the_leaking_site_leads_hundreds_of_noisy_ones():
    """0.5 MB/h beside 300 sites that jitter by 0.1 MB: first, significant, and about half of 1 MB/h."""
    sites = {**noise_sites(300), "leak": (T8, 2e6 + 5e5 * np.arange(8), None)}
    ranked = judge_sites(sites, C, 1e6)
    assert ranked[0].key == "leak"
    assert ranked[0].significant
    assert ranked[0].share == pytest.approx(0.5)


def test_noise_alone_is_rarely_significant():
    """Among 8 lists of 100 sites without a leak the family level allows about one with a significant site."""
    lists = [judge_sites(noise_sites(100, seed), C, 1e5) for seed in range(8)]
    assert sum(any(s.significant for s in ranked) for ranked in lists) <= 2


def test_a_site_that_was_absent_counts_as_nothing():
    """A site first seen in the fourth reading has leaked since then, from 0."""
    late = (T8[3:], 4e5 * np.arange(1, 6), None)
    ranked = judge_sites({"old": (T8, np.full(8, 1e6), None), "late": late}, C, 4e5)
    assert ranked[0].key == "late"
    assert ranked[0].growth_per_hour == pytest.approx(4e5, rel=0.3)
    assert ranked[1].share == pytest.approx(0.0, abs=1e-12)  # a constant, but for rounding


def test_sampling_error_lowers_the_rank():
    """Of two sites with the same growth the one that is known exactly is the more guilty."""
    y = 1e5 * np.arange(8)
    ranked = judge_sites({"sampled": (T8, y, np.full(8, 3e5)), "exact": (T8, y + 1e6, None)}, C, 2e5)
    assert [s.key for s in ranked] == ["exact", "sampled"]
    assert ranked[1].ci95[0] < 0 < ranked[0].ci95[0]


def test_too_few_readings_rank_nothing():
    """Two readings: no growth is claimed, nothing is significant."""
    ranked = judge_sites({"a": (T8[:2], [1.0, 2.0], None)}, C, 1.0)
    assert not ranked[0].significant and ranked[0].share == 0.0


def test_no_sites_is_an_empty_list():
    """Nothing in, nothing out."""
    assert judge_sites({}, C, 1.0) == []


def test_cohorts_tell_a_leak_from_a_bounded_cache():
    """What is born and stays is a leak; what dies two cycles later is bounded; a short history says nothing."""
    leak = [dict.fromkeys(range(n + 1), 100.0) for n in range(8)]
    cache = [dict.fromkeys(range(max(0, n - 1), n + 1), 100.0) for n in range(8)]
    assert cohorts(leak) == "leak"
    assert cohorts(cache) == "bounded"
    assert cohorts(leak[:2]) == "unknown"
    # what was there before the load (-1) and what the first cycle warmed up live on in a bounded cache, too
    setup = [
        {-1: 100.0, 0: 100.0, **{cycle: size for cycle, size in reading.items() if cycle > 0}} for reading in cache
    ]
    assert cohorts(setup) == "bounded"
    ranked = judge_sites({"x": (T8, np.arange(8.0), None)}, C, 1.0, births={"x": leak})
    assert ranked[0].cohort == "leak"
