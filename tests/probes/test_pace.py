"""Expensive readings keep to a share of one core."""

from __future__ import annotations

from soak_probes.pace import Pace


def test_the_share_decides_the_distance() -> None:
    """2 ms at 0.2 % of a core: once a second."""
    pace = Pace(0.002)
    assert pace.due(10.0)
    pace.spent(10.0, 0.002)
    assert not pace.due(10.9)
    assert pace.due(11.0)


def test_the_distance_has_an_end() -> None:
    """A reading of 10 s would be due every 5,000 s: it is asked for after the longest distance."""
    pace = Pace(0.002, longest=30.0)
    pace.spent(0.0, 10.0)
    assert not pace.due(29.9)
    assert pace.due(30.0)


def test_force_overrides() -> None:
    """In the trough the reading is needed, whatever it costs."""
    pace = Pace(0.002)
    pace.spent(0.0, 10.0)
    assert pace.due(0.0, force=True)
