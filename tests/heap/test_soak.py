"""A soak of the sampler itself: what looks for leaks must not have one."""

from __future__ import annotations

import pytest

from .conftest import Guest


@pytest.mark.slow
@pytest.mark.parametrize("preload", [False, True], ids=["hooks", "preload"])
def test_a_minute_of_churn_with_readings_leaves_the_samplers_memory_flat(guest: Guest, preload: bool) -> None:
    """Millions of samples, endless new code: the last third takes no more than the middle one, give or take a table."""
    found = guest("long.py", 60, preload=preload)
    third = len(found["own"]) // 3
    middle, last = found["own"][third : 2 * third], found["own"][2 * third :]
    assert max(last) <= max(middle) * 1.1
    assert max(found["rss"][2 * third :]) < max(found["rss"][third : 2 * third]) + 4 * (1 << 20)
    assert found["stats"]["taken"] > 100_000
    assert found["stats"]["dropped"] == 0
