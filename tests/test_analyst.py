"""The analysis beside a run: one that breaks or hangs is an error with its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from soak.analyst import LONGEST, Analyst
from soak.errors import SoakError


def test_an_analysis_that_breaks_says_why(tmp_path: Path) -> None:
    """A store that is not there: the last line of the complaint is in the message."""
    with pytest.raises(SoakError) as caught:
        Analyst(f"sqlite:///{tmp_path / 'none.db'}", 1).finish()
    assert caught.value.code == "analysis_failed"
    assert "none.db" in caught.value.message


def test_an_analysis_that_hangs_is_given_up(tmp_path: Path) -> None:
    """After its time it is killed, so that the next one can begin."""
    times = iter([0.0, LONGEST - 1.0, LONGEST + 1.0])
    analyst = Analyst(f"sqlite:///{tmp_path / 'none.db'}", 1, lambda: next(times))
    analyst.start(1)
    assert analyst.poll() is None
    with pytest.raises(SoakError, match="signal 9"):
        analyst.poll()
    assert not analyst.busy
