"""How a window under tracemalloc corrects what the sampler named."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest

from soak.report import confirm
from soak.report.confirm import Kept, confirmed, rest_of


def site(function: str, line: int, share: float, blocks: float) -> dict[str, Any]:
    """A site of the application that grows by `share` of 1 MB/h in so many blocks."""
    frame = {"file": "/app/a.py", "line": line, "function": function}
    return {
        "likely": None, "traceback": [frame], "owner": "application", "share": share, "growth_per_hour": share * 1e6,
        "count_per_hour": blocks, "partial": False, "ci95": [0.0, 1.0], "bounded": True, "significant": share > 0.5,
    }  # fmt: skip


class Events:
    """Stands for the data of a run: a window in which 100 requests landed, of 1,000 an hour."""

    requests_per_hour = 1000.0

    def of_kind(self, kind: str) -> list[Any]:
        """One note."""
        return [type("Event", (), {"detail": {"confirmation": {"landed": 100}}})]


class Attributor:
    """With those data and nothing else."""

    data = Events()


@pytest.mark.parametrize(("total", "telling"), [(90_000.0, True), (390_000.0, True), (10_000.0, False), (5e6, False)])
def test_a_churning_line_gives_way_to_the_one_that_keeps(total: float, telling: bool) -> None:
    """Small blocks go by the window, large ones stay; nothing changes where it kept far less or more than leaks."""
    kept = Kept(total, {}, {("/app/a.py", 2): 0.8 * total, ("/app/a.py", 1): 0.05 * total}, {})
    sites = [site("churn", 1, 0.7, 1e4), site("keep", 2, 0.2, 3e3), site("big", 3, 0.1, 10.0)]
    with patch.object(confirm, "kept_in_window", return_value=kept):
        found = confirmed(Attributor(), sites, 1e6)  # type: ignore[arg-type]  # what it reads of it is there
    names = [one["traceback"][-1]["function"] for one in found]
    if not telling:
        assert names == ["churn", "keep", "big"]
        return
    assert names == ["keep", "churn", "big"]
    assert [one["share"] for one in found] == [0.8, 0.05, 0.1]
    assert not found[0]["bounded"] and found[0]["significant"]
    assert rest_of(found, 1.0) == pytest.approx(0.15)  # what the window is sure of, 80 and 5 %, is explained
