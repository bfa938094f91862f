"""Parts that look around regularly do it at the same moments."""

from __future__ import annotations

import pytest

from soak.parts.base import grid


@pytest.mark.parametrize(
    ("now", "every", "following"),
    [(0.0, 1.0, 1.0), (0.999, 1.0, 1.0), (1.0004, 1.0, 2.0), (1.0004, 0.5, 1.5), (-0.2, 0.5, 0.0), (7.3, 0.5, 7.5)],
)
def test_the_next_moment_is_one_that_others_share(now: float, every: float, following: float) -> None:
    """A multiple of `every`, after `now`; before the load begins, too."""
    assert grid(now, every) == following
