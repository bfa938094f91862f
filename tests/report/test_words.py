"""Numbers and words as people read them."""

from __future__ import annotations

import pytest

from soak.report import units
from soak.report.spark import spark
from soak.report.words import meaning, plain


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "bytes", "-"),
        (0, "bytes", "0 B"),
        (512, "bytes", "512 B"),
        (1024, "bytes", "1 KB"),
        (1.5 * 1024**2, "bytes", "1.5 MB"),
        (1048575, "bytes", "1 MB"),
        (-3 * 1024**3, "bytes", "-3 GB"),
        (0.5, "count", "0.5"),
        (12345, "count", "12,345"),
        (0.8, "ratio", "80 %"),
    ],
)
def test_amounts(value: float | None, unit: str, text: str) -> None:
    """Sizes are binary and have three digits."""
    assert units.amount(value, unit) == text


def test_rates_have_a_sign_and_intervals_one_unit() -> None:
    """A growth is +, none is 0, both ends of an interval are in the unit of the larger."""
    assert units.rate(1024.0**2, "bytes") == "+1 MB/h"
    assert units.rate(-2.0, "count") == "-2/h"
    assert units.rate(0.0, "bytes") == "0 B/h"
    assert units.rate(None, "bytes") == "-"
    assert units.interval([1024.0, 1024.0**2], "bytes") == "0.00098 to 1 MB"
    assert units.interval([None, 1.0], "bytes") == "-"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.25, "250ms"), (45, "45s"), (600, "10m"), (3600, "1h"), (5400, "90m"), (7260, "2h01m")]
)
def test_durations(seconds: float, text: str) -> None:
    """The largest unit that says it."""
    assert units.duration(seconds) == text


def test_shares_do_not_round_up_to_everything() -> None:
    """99.9 % is not 100 %, a little is not nothing."""
    assert [units.share(value) for value in (1.0, 0.999, 0.004, 0.0, None)] == ["100 %", "99 %", "<1 %", "0 %", "-"]


def test_control_characters_do_not_reach_a_terminal() -> None:
    """Escapes, line ends and bidirectional marks become question marks."""
    assert plain("a\x1b[31m\nb\u202ec") == "a?[31m?b?c"


def test_unknown_codes_are_shown_as_they_are() -> None:
    """A warning that nobody worded is still readable."""
    assert meaning("some_new_code") == "some new code"


def test_sparks_show_the_lowest_of_each_stretch_and_gaps() -> None:
    """Rising values rise, a gap is a space, many values become few."""
    assert spark([1.0, None, 8.0]) == "▁ █"
    assert spark([]) == ""
    assert len(spark([float(value) for value in range(500)])) == 40
