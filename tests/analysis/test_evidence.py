"""What weakens or withdraws a clean verdict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from soak.analysis import (
    Verdict,
    generator_limited,
    load_not_landed,
    memory_statement,
    missing_samples,
    outages,
    target_restarted,
    weigh,
)


def verdict(word: str, growth: float = 0.0) -> Verdict:
    """A verdict with this word and growth."""
    return Verdict(word, growth, (growth - 1, growth + 1), 2.0, 7, None, (), 0.0)


@pytest.mark.parametrize(
    ("share", "weakens", "withdraws"), [(1.0, False, False), (0.9, True, False), (0.6, True, True)]
)
def test_missing_samples_are_counted(share, weakens, withdraws):
    """Up to 5 % of the samples may be missing, from 25 % on nothing is clean."""
    t = np.arange(1000.0)[: int(1000 * share)]
    e = missing_samples(t, t, 100.0, 10, 1.0)
    assert (e is not None) == weakens
    assert (e is not None and e.withdraws) == withdraws


def test_gaps_count_as_missing():
    """A NaN is a sample that was not taken."""
    t = np.arange(1000.0)
    e = missing_samples(t, np.where(t < 500, np.nan, 1.0), 100.0, 10, 1.0)
    assert e is not None and "50%" in e.message


@pytest.mark.parametrize(
    ("landed", "weakens", "withdraws"), [(995, False, False), (980, True, False), (900, True, True)]
)
def test_load_that_did_not_land(landed, weakens, withdraws):
    """99 % must land; below 95 % it is another experiment."""
    e = load_not_landed(1000, landed)
    assert (e is not None) == weakens
    assert (e is not None and e.withdraws) == withdraws


def test_outages_are_united_and_an_open_one_lasts():
    """Two overlapping outages of 10 s are 15 s of 1,000; one that never ended lasts to the end."""
    e = outages([(10, 20), (15, 25)], 1000)
    assert e is not None and "15 s" in e.message and not e.withdraws
    still = outages([(500, None)], 1000)
    assert still is not None and still.withdraws
    assert outages([(0, 5)], 1000) is None


def test_a_generator_that_cannot_keep_up_is_said():
    """Any limited window weakens, more than a tenth of them withdraw."""
    assert generator_limited(0, 100) is None
    few, many = generator_limited(5, 100), generator_limited(60, 100)
    assert few is not None and not few.withdraws
    assert many is not None and many.withdraws


def test_only_unplanned_restarts_withdraw():
    """A fault that kills the target on purpose is part of the soak."""
    planned, crash = target_restarted((5.0,), planned=1), target_restarted((5.0,))
    assert planned is not None and not planned.withdraws
    assert crash is not None and crash.withdraws
    assert target_restarted(()) is None


def test_evidence_takes_clean_away_and_leaves_leak():
    """Weak evidence is written beside clean, strong evidence makes it inconclusive; a leak stands."""
    weak, strong = load_not_landed(100, 98), load_not_landed(100, 10)
    assert weak and strong
    assert weigh(verdict("clean"), [weak]).verdict == "clean"
    assert weigh(verdict("clean"), [weak]).warnings == ("load_not_landed",)
    assert weigh(verdict("clean"), [weak, strong]).verdict == "inconclusive"
    assert weigh(verdict("leak"), [strong]).verdict == "leak"


LEAK, CLEAN = verdict("leak", 10.0), verdict("clean")


@pytest.mark.parametrize(
    ("rss", "uss", "traced", "allocator", "pss", "expected"),
    [
        (LEAK, LEAK, LEAK, CLEAN, None, "retained in Python"),
        (CLEAN, None, LEAK, None, None, "retained in Python"),
        (LEAK, LEAK, CLEAN, LEAK, None, "retained natively"),
        (LEAK, LEAK, verdict("leak", 2.0), LEAK, None, "retained natively"),  # Python explains a fifth
        (CLEAN, LEAK, CLEAN, CLEAN, None, "shared pages un-shared"),
        (CLEAN, None, CLEAN, CLEAN, LEAK, "shared pages un-shared"),
        (LEAK, LEAK, None, None, None, None),
        (CLEAN, CLEAN, CLEAN, CLEAN, None, None),
        (None, None, None, None, None, None),
    ],
)
def test_several_series_make_one_statement(rss, uss, traced, allocator, pss, expected):
    """Where memory is kept follows from which series grow together."""
    assert memory_statement(rss, uss, traced, allocator, pss) == expected


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (9.0, "fragmentation or allocator hold"),
        (5.0, "fragmentation or allocator hold"),
        (4.0, "memory that neither Python nor malloc accounts for"),  # mmap, or a process that no agent is in
        (-3.0, "memory that neither Python nor malloc accounts for"),
        (None, None),
    ],
)
def test_what_allocators_hold_is_named_only_where_it_was_measured(held, expected):
    """rss grows by 10 while Python and malloc's count stand still: half of it has to be held free."""
    assert memory_statement(LEAK, LEAK, CLEAN, CLEAN, held=held) == expected
    grown = replace(CLEAN, growth_per_hour=6.0)  # below its limit, yet most of it
    assert memory_statement(LEAK, LEAK, grown, CLEAN, held=held and 0.4 * held) == expected
