"""What holds the target up in one go is foreseen by what it took before, and slices let other threads run."""

from __future__ import annotations

from typing import Any

from soak_agent.stretches import BREATH, SLICE, Stretches


class Clock:
    """Time that passes when told; `sleep` notes for how long."""

    def __init__(self, stretches: Stretches) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        stretches.clock = stretches.cpu = lambda: self.now
        stretches.sleep = self.slept.append

    def take(self, seconds: float) -> None:
        """Something that takes so long."""
        self.now += seconds


def test_the_longest_of_each_name_is_kept() -> None:
    """Two stretches of one name: the longer; a new reading begins without any."""
    stretches = Stretches()
    clock = Clock(stretches)
    stretches.begin(None)
    for seconds in (0.002, 0.005, 0.001):
        stretches.run("types", clock.take, seconds)
    assert round(stretches.seconds["types"], 6) == 0.005
    stretches.begin(None)
    assert stretches.seconds == {}


def test_without_a_limit_everything_fits() -> None:
    """Ten thousand million objects are collected when nobody set a limit."""
    stretches = Stretches()
    stretches.begin(None)
    assert stretches.fits("gc_collect", 10**10)


def test_what_it_took_before_tells_whether_it_fits() -> None:
    """100,000 objects in 5 ms, once in 20 on a busy moment: 900,000 fit into 50 ms, 1,100,000 do not."""
    stretches = Stretches()
    clock = Clock(stretches)
    for seconds in (0.005, 0.020):
        stretches.begin(50.0)
        stretches.run("gc_collect", clock.take, seconds)
        stretches.learn("gc_collect", 100_000)
    assert stretches.fits("gc_collect", 900_000)
    assert not stretches.fits("gc_collect", 1_100_000)


def test_what_did_not_fit_is_not_done_again() -> None:
    """A heap that shrinks below the limit later is read as before: the figures stay comparable."""
    stretches = Stretches()
    stretches.begin(50.0)
    assert not stretches.fits("gc_collect", 10**7)
    assert not stretches.fits("gc_collect", 1000)
    assert stretches.fits("objects", 1000)


def test_slices_let_others_run_and_hold_nothing_meanwhile() -> None:
    """Every object is looked at once, the last first, with a breath after each slice; the list is empty at the end."""
    stretches = Stretches()
    clock = Clock(stretches)
    objects: list[Any] = list(range(2 * SLICE + 5))
    seen: list[list[Any]] = []
    stretches.slices("types", objects, seen.append)
    assert [len(piece) for piece in seen] == [SLICE, SLICE, 5]
    assert sorted(item for piece in seen for item in piece) == list(range(2 * SLICE + 5))
    assert seen[0][-1] == 2 * SLICE + 4
    assert clock.slept == [BREATH] * 3
    assert objects == []
