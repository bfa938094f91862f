"""How a window under tracemalloc corrects what the sampler named."""

from __future__ import annotations

import pytest

from soak_storage import Store
from soak_storage.records import ReadingRow, Record, SampleRow, SiteRow, Stack

from .runs import CWD, MB, Plan
from .test_beside import ONCE, window
from .test_compute import report_of
from .test_compute_sites import growth

GROWN = 3 * MB  # a cycle of 1,000 requests
LANDED = 32  # requests of the window, which should have left 100 KB


def line(number: int, function: str) -> Stack:
    """A line of the application and who called it."""
    return ((f"{CWD}/app.py", 30, "handler"), (f"{CWD}/work.py", number, function))


CHURN, KEEP, BIG = line(1, "churn"), line(2, "keep"), line(3, "big")


def sampled(cycles: int = 8) -> list[Record]:
    """The sampler's readings: 70 % of the growth is a line's that churns, 10 % one's of large blocks.

    Of the line that keeps it is not sure, and has seen its blocks go.
    """
    rows: list[Record] = []
    for cycle in range(cycles):
        t, grown = cycle * 60.0 + 57.0, GROWN * (cycle + 1.0)
        kept = SiteRow(KEEP, 0.2 * grown, 0.2 * grown / 64, error=0.2 * grown, births={cycle: int(0.2 * grown)})
        sites = (SiteRow(CHURN, 0.7 * grown, 0.7 * grown / 64), kept, SiteRow(BIG, 0.1 * grown, 0.1 * grown / 10_000))
        rows.append(ReadingRow(t, cycle, "100:main", agent_mode="sampler", sites=sites))
        rows.append(SampleRow(t, "python_heap", "bytes", 20 * MB + grown, gates=True))
    return rows


@pytest.mark.parametrize(("total", "telling"), [(90_000, True), (390_000, True), (10_000, False), (5_000_000, False)])
def test_a_churning_line_gives_way_to_the_one_that_keeps(store: Store, total: int, telling: bool) -> None:
    """Small blocks go by the window, large ones stay; nothing changes where it kept far less or more than leaks."""
    left = [SiteRow(stack, part * total, 9.0) for stack, part in ((KEEP, 0.7), (CHURN, 0.1), (ONCE, 0.2))]
    readings = [*sampled(), *window(*left, landed=LANDED)]
    finding = growth(report_of(store, Plan(heap_growth=GROWN, mode="off", extra=readings)))
    sites, named = finding["sites"], [site["function"] for site in finding["sites"]]
    shares = [site["share"] for site in sites]
    if not telling:
        assert named == ["churn", "big", "keep"]
        assert shares == pytest.approx([0.7, 0.1, 0.2])
        assert sites[2]["bounded"] and not sites[2]["significant"]
        assert finding["unexplained_share"] == pytest.approx(0.2)
        return
    assert named == ["keep", "churn", "big"]
    assert shares == pytest.approx([0.7, 0.1, 0.1])
    assert not sites[0]["bounded"] and sites[0]["significant"]
    assert finding["unexplained_share"] == pytest.approx(0.1)
    assert "70 % of it from work.py:2 keep" in finding["message"]
