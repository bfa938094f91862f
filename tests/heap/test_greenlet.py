"""greenlet (and gevent on it) exchanges the frames and the C stack of a thread under the sampler's eyes."""

from __future__ import annotations

import pytest

from .conftest import Guest

pytest.importorskip("greenlet", reason="greenlet comes with SQLAlchemy; without it there is nothing to switch")


@pytest.mark.parametrize("interval", [1, 512])
def test_switching_greenlets_keeps_stacks_whole(guest: Guest, interval: int) -> None:
    """Every stack begins at the greenlet's first function or at the main program; what is kept is found."""
    found = guest("greenlets.py", interval)
    assert found["stacks"] == found["whole"]
    assert 0.85 < found["kept"] / found["truth"] < 1.25  # lists of a few pointers come on top
