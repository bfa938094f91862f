"""greenlet (and gevent on it) exchanges the frames and the C stack of a thread under the sampler's eyes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from .conftest import Guest


@pytest.mark.parametrize("interval", [1, 512])
def test_switching_greenlets_keeps_stacks_whole(guest: Guest, interval: int) -> None:
    """Every stack begins at the greenlet's first function or at the main program; what is kept is found."""
    pytest.importorskip("greenlet", reason="greenlet comes with SQLAlchemy; without it there is nothing to switch")
    found = guest("greenlets.py", interval)
    assert found["stacks"] == found["whole"]
    assert 0.85 < found["kept"] / found["truth"] < 1.25  # lists of a few pointers come on top


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_gevent_server_is_sampled_request_by_request(guest: Guest, python: str, tmp_path: Path) -> None:
    """400 requests on a patched interpreter, loaded and preloaded: what they keep is found, below gevent."""
    subprocess.run([python, "-m", "venv", tmp_path / "env"], check=True, timeout=300)
    python = str(tmp_path / "env" / "bin" / "python")
    if subprocess.run(
        [python, "-m", "pip", "install", "-q", "--only-binary", ":all:", "gevent"], check=False, timeout=500
    ).returncode:
        pytest.skip("gevent cannot be installed for this Python")
    for interval, preload in ((1, False), (1, True), (512, False)):
        found = guest("gevents.py", interval, python=python, preload=preload)
        assert found["served"] > 0
        assert found["rooted"] == found["served"]
        assert 0.9 < found["kept"] / found["truth"] < 1.2
