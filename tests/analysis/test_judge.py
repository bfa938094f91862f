"""The verdict on one series, against expectations derived by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from soak.analysis import FloorKeeper, judge, judge_sites, lines, walking_errors
from soak.analysis.blocks import in_blocks
from soak.analysis.floors import CycleFloor, Floors
from soak.analysis.thresholds import THRESHOLDS as T

MB = 1048576.0
HOUR = 3600.0


def series(rate: float, cycles: int = 8, noise: float = 0.1 * MB, seed: int = 0, cycle: float = HOUR):
    """A service under a sawtooth load that grows by `rate` bytes per hour; 360 samples per cycle."""
    t = np.arange(0.0, cycles * cycle, cycle / 360)
    phase = (t / cycle) % 1.0
    load = np.where(phase < 0.85, phase, 0.0) * 8 * MB
    return t, 80 * MB + load + rate * t / HOUR + np.random.default_rng(seed).normal(0, noise, t.size)


@pytest.mark.parametrize(
    ("factor", "expected"), [(0.0, "clean"), (0.5, "clean"), (1.0, "inconclusive"), (2.0, "leak"), (20.0, "leak")]
)
def test_a_rate_gets_its_verdict_and_lies_in_its_interval(factor, expected):
    """A steady growth far from the limit is decided, one at the limit is not, and the interval holds the truth."""
    v = judge(*series(factor * MB), HOUR, MB)
    assert v.verdict == expected
    assert v.ci95[0] <= factor * MB <= v.ci95[1]
    assert v.growth_per_hour == pytest.approx(factor * MB, abs=0.1 * MB)


def test_a_clean_verdict_says_what_it_could_have_seen():
    """The detectable growth is above the limit, by less than the limit when floors are quiet."""
    v = judge(*series(0.0), HOUR, MB)
    assert v.verdict == "clean"
    assert MB < v.detectable_per_hour < 2 * MB
    assert v.cycles_needed is None


def test_a_warm_up_is_not_a_leak():
    """20 MB of start-up that settles within two cycles neither leaks nor hides that nothing does."""
    t, y = series(0.0)
    assert judge(t, y + 20 * MB * (1 - np.exp(-t / HOUR / 0.5)), HOUR, MB).verdict == "clean"


@pytest.mark.parametrize("at", [0.4, 2.3, 4.5, 6.6])
def test_a_one_off_step_is_not_a_leak(at):
    """10 MB taken once, at any time, is not growth per hour."""
    t, y = series(0.0)
    assert judge(t, y + 10 * MB * (t / HOUR > at), HOUR, MB).verdict != "leak"


def test_a_warm_up_that_begins_with_a_step_is_not_in_the_slope():
    """A daemon of 60 MB: 220 KB at once, 12 KB in each of ten cycles of two minutes, then fifty without growth."""
    t = np.arange(0.0, 60 * 120.0, 2.0)
    cycle = t // 120.0
    noise = np.random.default_rng(0).normal(0.0, 4.0, 60)[cycle.astype(int)]
    kilobytes = 60_700 + 220 * (cycle >= 1) + 12 * np.minimum(cycle, 10.0) + noise
    v = judge(t, kilobytes * 1024.0, 120.0, 102_400.0, quantum=4096.0)
    assert v.verdict == "clean"
    assert v.ci95[1] < 60 * 1024.0


@pytest.mark.parametrize("cycles", [3, 4, 6])
def test_short_cycles_that_settle_late_are_not_a_leak(cycles):
    """One-off growth of 1.3 MB spread over half of a short run stays below a limit of 1 MB per cycle."""
    t, y = series(0.0, cycles=cycles, cycle=40.0)
    grown = 1.3 * MB * np.minimum(t / t[-1] * 2, 1.0)
    assert judge(t, y + grown, 40.0, MB * HOUR / 40.0).verdict != "leak"


def test_a_leak_under_short_cycles_is_found():
    """Three times a limit of 1 MB per cycle is found in 6 cycles of 40 s."""
    t, y = series(3 * MB * HOUR / 40.0, cycles=6, cycle=40.0)
    assert judge(t, y, 40.0, MB * HOUR / 40.0).verdict == "leak"


def test_a_series_read_once_per_cycle_is_normal():
    """One reading in each trough: 2 MB more each time is a leak, and nothing is reported as missing."""
    t = np.arange(8) * HOUR + 3500.0
    v = judge(t, 50 * MB + 2 * MB * np.arange(8.0), HOUR, MB)
    assert v.verdict == "leak"
    assert "gaps" not in v.warnings
    assert judge(t, np.full(8, 50 * MB), HOUR, MB).verdict == "clean"


def test_the_error_of_sampled_readings_widens_the_interval():
    """Readings with a standard error of 5 MB each cannot decide a limit of 1 MB that exact ones decide."""
    t = np.arange(8) * HOUR + 3500.0
    y = 50 * MB + 2 * MB * np.arange(8.0)
    v = judge(t, y, HOUR, MB, errors=np.full(8, 5 * MB))
    assert v.verdict == "inconclusive"
    # slope error of 7 points one hour apart: 5 / sqrt(7 * 48 / 12) = 0.94 MB/h, times t(.975) of at least 1.96
    assert v.ci95[1] - v.ci95[0] > 2 * 1.96 * 0.9 * MB


def test_a_restart_starts_a_segment_and_the_slope_is_shared():
    """A target that forgets 2 MB/h once still leaks 2 MB/h."""
    t, y = series(0.0)
    y = y + 2 * MB * np.where(t < 4.2 * HOUR, t, t - 4.2 * HOUR) / HOUR
    assert judge(t, y, HOUR, MB, restarts=(4.2 * HOUR,)).verdict == "leak"


def test_a_gap_of_the_daemon_is_not_a_restart():
    """With a cycle and a half missing a leak is found all the same, and the gap is said."""
    t, y = series(2 * MB)
    there = (t < 3 * HOUR) | (t > 4.6 * HOUR)
    v = judge(t[there], y[there], HOUR, MB)
    assert v.verdict == "leak"
    assert "gaps" in v.warnings


def test_what_is_read_seldom_under_load_and_often_in_the_trough_has_no_gaps():
    """So are the sockets of a process with thousands of them: every 7 s, and four times a second when all is quiet."""
    moments = np.concatenate([np.arange(0.0, 25.5, 7.0), np.arange(25.5, 30.0, 0.25)])
    t = np.concatenate([30.0 * cycle + moments for cycle in range(8)])
    for rate, expected in ((140.0, "leak"), (0.0, "clean")):
        v = judge(t, np.round(300.0 + rate * t / 30.0), 30.0, 60.0, kind="count")
        assert v.verdict == expected
        assert "gaps" not in v.warnings


def test_two_cycles_decide_nothing():
    """Fewer than three usable cycles: inconclusive, no number, and how many more it takes."""
    v = judge(*series(20 * MB, cycles=2), HOUR, MB)
    assert v.verdict == "inconclusive"
    assert math.isnan(v.growth_per_hour)
    assert v.cycles_needed and "too_few_cycles" in v.warnings


def test_a_cache_that_slows_down_is_told_from_a_leak():
    """Growth that halves from cycle to cycle is never a leak."""
    t, y = series(0.0)
    assert judge(t, y + 40 * MB * (1 - 0.5 ** (t / HOUR)), HOUR, MB).verdict != "leak"


def counts(per_cycle: list[int]):
    """An integer series that has gained per_cycle[i] at the start of cycle i."""
    t = np.arange(0.0, len(per_cycle) * HOUR, 10.0)
    phase = (t / HOUR) % 1.0
    return t, 20.0 + np.cumsum(per_cycle)[(t // HOUR).astype(int)] + np.where(phase < 0.85, 10, 0)


def test_one_lost_descriptor_per_cycle_is_a_leak():
    """Seven in seven cycles are too even for chance and twice the limit of 0.5/h."""
    v = judge(*counts([0, 1, 1, 1, 1, 1, 1, 1]), HOUR, 0.5, kind="count")
    assert v.verdict == "leak"
    assert v.growth_per_hour == pytest.approx(1.0)


@pytest.mark.parametrize("each", [140, 150, 10_000, 10_000_000])
def test_handles_lost_by_the_thousand_are_a_leak(each):
    """One for each request adds up: 1,030 and more are as good a leak as seven."""
    v = judge(*counts([each] * 8), HOUR, 0.5, kind="count")
    assert v.verdict == "leak"
    assert v.growth_per_hour == pytest.approx(each)


def test_thousands_that_come_ever_slower_are_not():
    """Above the limit on the whole, but fewer in the second half than chance has it, and below the limit there."""
    v = judge(*counts([0, 1040, 1040, 1040, 1000, 960, 960, 960]), HOUR, 970.0, kind="count")
    assert v.verdict == "inconclusive"
    assert "still_slowing" in v.warnings


def test_no_event_in_seven_hours_is_clean_and_in_five_is_not():
    """Zero events bound the rate by 3.0/span: 3.0/7 h = 0.43 is below 0.5/h, 3.0/5 h = 0.6 is not."""
    assert judge(*counts([0] * 8), HOUR, 0.5, kind="count").verdict == "clean"
    assert judge(*counts([0] * 6), HOUR, 0.5, kind="count").verdict == "inconclusive"


def test_one_event_is_neither_leak_nor_clean():
    """One lost handle in seven hours: the exact bound is 4.74/7 h = 0.68/h."""
    v = judge(*counts([0, 0, 0, 0, 1, 0, 0, 0]), HOUR, 0.5, kind="count")
    assert v.verdict == "inconclusive"


@pytest.mark.parametrize(
    ("times", "values", "text"),
    [
        ([3.0, 2.0], [1.0, 1.0], "ascending"),
        ([1.0, 2.0], [1.0], "equal length"),
        ([[1.0]], [[1.0]], "one-dimensional"),
        ([1.0, math.nan], [1.0, 1.0], "finite"),
        ([1.0, 2.0], [1.0, math.inf], "finite or NaN"),
    ],
)
def test_what_is_no_series_is_refused_clearly(times, values, text):
    """Unsorted, unequal or infinite input raises ValueError and says why."""
    with pytest.raises(ValueError, match=text):
        judge(times, values, HOUR, MB)


@pytest.mark.parametrize(("cycle", "limit", "trough"), [(0.0, MB, 0.85), (HOUR, -1.0, 0.85), (HOUR, MB, 1.0)])
def test_parameters_that_mean_nothing_are_refused(cycle, limit, trough):
    """No cycle, a negative limit or a trough outside the cycle raise ValueError."""
    with pytest.raises(ValueError, match="must be"):
        judge([], [], cycle, limit, trough=trough)


def test_floors_kept_incrementally_give_the_same_verdict():
    """Samples handed over in odd pieces, gaps included, are judged as the whole series is."""
    t, y = series(2 * MB)
    y[500:600] = np.nan
    keeper = FloorKeeper(HOUR)
    for start in range(0, t.size, 77):
        keeper.add(t[start : start + 77], y[start : start + 77])
    assert keeper.judge(MB) == judge(t, y, HOUR, MB)
    with pytest.raises(ValueError, match="ascending"):
        keeper.add([0.0], [0.0])


def test_three_cycles_accuse_nobody() -> None:
    """With three cycles the first is still in the line: what grew may be start-up, and one more cycle tells."""
    times = [i * 10.0 for i in range(3 * 360)]
    values = [50e6 + 5 * 1048576 * t / 3600.0 for t in times]
    verdict = judge(times, values, 3600.0, 1048576.0)
    assert (verdict.verdict, verdict.cycles_needed) == ("inconclusive", 1)
    assert "too_few_cycles" in verdict.warnings
    longer = [i * 10.0 for i in range(4 * 360)]
    assert judge(longer, [50e6 + 5 * 1048576 * t / 3600.0 for t in longer], 3600.0, 1048576.0).verdict == "leak"


def test_one_cycle_that_stands_out_does_not_hide_a_leak() -> None:
    """A busy cycle goes up and comes back: what is left without both steps still grows."""
    t, y = series(3 * MB)
    assert judge(t, y + np.where(t // HOUR == 4, 9 * MB, 0.0), HOUR, MB).verdict == "leak"


@pytest.mark.parametrize(
    ("per_cycle", "expected"),
    [
        ([0, 1, 1, 1], "leak"),  # three in three cycles, one in each: twice the limit
        ([0, 2, 0, 2, 0, 2, 0, 2], "leak"),  # pairs every other cycle
        ([0, 1, 0, 2, 0, 1, 2, 0], "leak"),  # six at random in seven cycles: above 0.5 with odds of nine to one
        ([0, 1, 0, 2, 0, 1, 1, 0], "inconclusive"),  # five are not enough
        ([0, 3, 2, 1, 0, 0, 0, 0], "inconclusive"),  # all of them early: a pool that filled
        ([0, 0, 9, 0, 0, 0, 0, 0], "clean"),  # all at once, and none after: one-off
    ],
)
def test_lost_handles_are_judged_by_the_law_of_chance(per_cycle, expected) -> None:
    """How many were lost, how evenly and when decides, not how straight a line they make."""
    assert judge(*counts(per_cycle), HOUR, 0.5, kind="count").verdict == expected


def test_large_chunks_widen_the_interval() -> None:
    """Five chunks of 2 MB at odd times are five events: the interval reaches to the rate that gives ten."""
    t, y = series(0.0)
    lost = 2 * MB * np.searchsorted(np.array([1.4, 1.7, 3.9, 6.2, 6.4]), t / HOUR)
    v = judge(t, y + lost, HOUR, MB)
    assert v.ci95[0] < 0.5 * v.growth_per_hour
    assert v.ci95[1] > 1.9 * v.growth_per_hour


def test_floors_that_go_up_and_down_are_no_chunks() -> None:
    """Half a megabyte up and down about a slow drift of 5 KB a cycle: what comes back was not lost."""
    rng = np.random.default_rng(3)
    t = np.arange(60) * HOUR + 3500.0
    drift = 0.005 * MB * np.arange(60)
    y = drift + np.round(rng.normal(0.0, 2.0, 60)) * 65536.0
    v = judge(t, y, HOUR, MB)
    assert v.ci95[0] <= 0.005 * MB <= v.ci95[1] < 0.03 * MB


def test_a_known_error_decides_how_wide_the_interval_is() -> None:
    """Readings that scatter as their samples do: the interval is the normal one of that error, not that of few points.

    Chunks of 64 KB, sixteen in a cycle on average: each increment has an error of 0.25 MB, which walks, so the slope of
    seven readings has 0.25 * sqrt(6 / 35) = 0.10 MB. It holds the truth in at least 85 of 100 series.
    """
    rng = np.random.default_rng(7)
    t = np.arange(8) * HOUR + 3500.0
    widths, held = [], 0
    for _ in range(100):
        samples = np.cumsum(rng.poisson(16, 8))
        v = judge(t, samples * 65536.0, HOUR, MB, errors=walking_errors(samples * 65536.0**2))
        widths.append((v.ci95[1] - v.ci95[0]) / 2 / MB)
        held += v.ci95[0] <= MB <= v.ci95[1]
    assert held >= 85
    assert 0.18 < np.median(widths) < 0.30


@pytest.mark.filterwarnings("error")
def test_restarts_that_leave_single_cycles_are_judged_by_the_rest() -> None:
    """Cycles 0 to 2, 4 and 6 of three lives: only the first has neighbours, and no number comes from nothing."""
    t, y = series(0.0, cycles=7)
    y = y - 6 * MB * np.exp(-t / HOUR)
    v = judge(t, y, HOUR, MB, restarts=(3.1 * HOUR, 5.8 * HOUR))
    assert v.known and v.verdict != "leak"
    assert math.isfinite(v.ci95[0]) and math.isfinite(v.ci95[1])


def test_a_sweep_that_comes_round_is_not_a_leak() -> None:
    """Climbing for four cycles, swept, and climbing again to where it was."""
    t, y = series(0.0)
    assert judge(t, y + 12 * MB * ((t / HOUR / 4.5 + 0.1) % 1.0), HOUR, MB).verdict != "leak"


@pytest.mark.parametrize(("factor", "expected"), [(0.0, "clean"), (0.5, "clean"), (2.0, "leak"), (20.0, "leak")])
@pytest.mark.parametrize("cycles", [130, 250])
def test_very_many_cycles_are_judged_in_blocks(cycles, factor, expected):
    """What one cycle after the other would be said of: the rate, in its interval, from all of them but a few."""
    t, y = series(factor * MB, cycles)
    v = judge(t[::6], y[::6], HOUR, MB)
    assert v.verdict == expected
    assert v.ci95[0] <= factor * MB <= v.ci95[1]
    assert v.growth_per_hour == pytest.approx(factor * MB, abs=0.01 * MB)
    assert 0.5 * cycles <= v.cycles_used <= cycles


@pytest.mark.parametrize(("lost", "expected"), [(0.0, "clean"), (0.04, "clean"), (3.0, "leak")])
def test_counts_of_very_many_cycles_stay_counts(lost, expected):
    """A handle in every 25th cycle is few, three in each are a leak, none is none; the limit is half a handle."""
    cycles, per = 300, 30
    t = np.arange(0.0, cycles * HOUR, HOUR / per)
    y = np.floor(lost * (t / HOUR))
    v = judge(t, y, HOUR, 0.5, kind="count")
    assert v.verdict == expected
    assert v.growth_per_hour == pytest.approx(lost, abs=0.02)
    assert v.ci95[0] <= lost <= v.ci95[1]


def test_a_restart_within_a_block_is_no_growth():
    """Half of 200 cycles at 80 MB, and after a restart half of them at 120: no line goes through both."""
    t, y = series(0.0, 200)
    t, y = t[::6], y[::6]
    y = y + np.where(t >= 100.5 * HOUR, 40 * MB, 0.0)
    assert judge(t, y, HOUR, MB, restarts=[100.5 * HOUR]).verdict == "clean"
    grown = y + 3 * MB * t / HOUR
    v = judge(t, grown, HOUR, MB, restarts=[100.5 * HOUR])
    assert v.verdict == "leak"
    assert v.growth_per_hour == pytest.approx(3 * MB, abs=0.1 * MB)


def test_blocks_end_with_the_latest_cycle_and_leave_out_what_may_not_be_compared():
    """127 cycles are 63 blocks of two; the cycle of a restart, and what follows it in its block, is left out."""
    floors = [CycleFloor(n, float(n), (0.0, 0.0), 0.0, 10, True, "") for n in range(2 * T.most_cycles - 1)]
    floors[5] = replace(floors[5], usable=False, why="gaps")
    floors[9] = replace(floors[9], usable=False, why="restarted")
    blocks = in_blocks(Floors(tuple(floors), False), "bytes")
    assert (blocks.size, blocks.first) == (2, 1)
    assert [one.cycle for one in blocks.floors.cycles] == list(range(T.most_cycles - 1))
    assert [one.value for one in blocks.floors.cycles[:5]] == [1.5, 3.5, 6.0, 7.5, 10.0]
    assert [one.usable for one in blocks.floors.cycles[:5]] == [True, True, True, True, False]
    assert blocks.floors.cycles[4].why == "restarted"
    counted = in_blocks(Floors(tuple(floors), False), "count")
    assert [one.value for one in counted.floors.cycles[:3]] == [2.0, 4.0, 6.0]


def test_what_a_judgement_costs_does_not_explode_with_the_cycles(monkeypatch):
    """No table of a line has more rows than there may be floors."""
    grids = []
    real = lines.design
    monkeypatch.setattr(lines, "design", lambda times, groups: grids.append(len(times)) or real(times, groups))
    t, y = series(0.3 * MB, 400, noise=0.5 * MB)
    judge(t[::6], y[::6] - 40 * MB * np.exp(-t[::6] / HOUR / 80), HOUR, MB)
    sites = {n: (np.arange(400) * HOUR + 10.0, np.arange(400) * float(n), None) for n in (1, 2)}
    found = judge_sites(sites, HOUR, 3.0)
    assert [round(site.growth_per_hour, 6) for site in found] == [2.0, 1.0]
    assert 0 < max(grids) <= T.most_cycles
