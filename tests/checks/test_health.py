"""The figures of checks: aggregate and uptime."""

from __future__ import annotations

import pytest

from soak.checks import aggregate, uptime


@pytest.mark.parametrize(
    ("states", "worst"),
    [
        ([], "healthy"),
        (["healthy", "healthy"], "healthy"),
        (["healthy", "unknown"], "unknown"),
        (["healthy", "degraded", "unknown"], "degraded"),
        (["degraded", "unhealthy", "healthy"], "unhealthy"),
    ],
)
def test_the_aggregate_is_the_worst(states: list[str], worst: str) -> None:
    """One that is unhealthy makes the whole unhealthy; one that has only just failed makes it degraded."""
    assert aggregate(states) == worst


def test_uptime_is_the_share_of_time_not_unhealthy() -> None:
    """90 s up (80 healthy, 10 degraded) and 10 s unhealthy: 0.9; unknown time counts for nothing."""
    periods = [
        (0.0, 50.0, "unknown"),
        (50.0, 130.0, "healthy"),
        (130.0, 140.0, "degraded"),
        (140.0, 150.0, "unhealthy"),
    ]
    assert uptime(periods) == pytest.approx(0.9)
    assert uptime([(0.0, 10.0, "unknown")]) is None
