"""Durations, sizes and percentages."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soak.config.units import format_duration, format_size, parse_duration, parse_percent, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("0.5s", 0.5), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("2d", 172800), ("1m500ms", 60.5)],
)
def test_every_duration_of_the_contract_is_read(text: str, seconds: float) -> None:
    """The spellings in the contract have their plain meaning in seconds."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "5", "5 m", "-5s", "m", "30m1h", "1h1h", "1.s", ".5s", "1e3s", "5min", "5S", "٣s "]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    """Bare numbers, signs, foreign units, wrong order and repeated units are errors, not guesses."""
    with pytest.raises(ValueError, match=r"^"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=400 * 86_400_000))
def test_durations_survive_the_round_trip(milliseconds: int) -> None:
    """What format_duration writes, parse_duration reads back to the millisecond."""
    assert parse_duration(format_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000, abs=1e-9)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1KB", 1024),
        ("1KiB", 1024),
        ("1MB", 1048576),
        ("1MiB", 1048576),
        ("0.5MB", 524288),
        ("512B", 512),
        ("1 GB", 2**30),
    ],
)
def test_sizes_are_binary(text: str, size: float) -> None:
    """As in systemd: KB and KiB are both 1,024 bytes."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "1", "1mb", "MB", "-1MB", "1M", "1e3B", "1MBit"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """A number without its unit, a bit or a negative size is an error."""
    with pytest.raises(ValueError, match=r"^"):
        parse_size(text)


@given(st.integers(min_value=0, max_value=2**53))
def test_sizes_survive_the_round_trip(size: int) -> None:
    """What format_size writes, parse_size reads back exactly."""
    assert parse_size(format_size(size)) == size


@given(st.text(max_size=12))
def test_no_text_makes_the_parsers_crash(text: str) -> None:
    """Any text is a value or a ValueError."""
    for parse in (parse_duration, parse_size, parse_percent):
        with contextlib.suppress(ValueError):
            assert parse(text) >= 0


def test_percentages_become_ratios() -> None:
    """80 % is 0.8, and a tenth of a percent is not rounded away."""
    assert (parse_percent("80%"), parse_percent("0.1%")) == (0.8, 0.001)
