"""The growth over many nights, and the night it began."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from soak.commands import Globals, history
from soak.report.compute import compute
from soak.report.history import change
from soak_storage import open_store
from soak_storage.records import AnalysisRow

from .runs import MB, STARTED, Plan, make_run


def nights(*growths: float, error: float = 0.1) -> list[dict[str, Any]]:
    """Points as a history has them, MB/h, with a limit of 1 MB/h."""
    return [
        {
            "run": number,
            "version": f"v{number}",
            "growth_per_hour": growth * MB,
            "ci95": [(growth - 2 * error) * MB, (growth + 2 * error) * MB],
            "limit_per_hour": float(MB),
        }
        for number, growth in enumerate(growths, 1)
    ]


def test_the_night_it_began_is_found() -> None:
    """Five quiet nights, then 3 MB/h: run 6, between v5 and v6."""
    found = change(nights(0.1, -0.1, 0.05, 0.0, 0.1, 3.0, 3.1, 2.9))
    assert found is not None
    assert (found["run"], found["version_before"], found["version"]) == (6, "v5", "v6")
    assert found["after_per_hour"] == pytest.approx(3.0 * MB)


def test_the_latest_night_alone_can_be_it() -> None:
    """One jump far outside the scatter of the nights before."""
    found = change(nights(0.1, -0.1, 0.05, 0.0, 5.0))
    assert found is not None and found["run"] == 5


def test_a_mended_leak_is_a_change_too() -> None:
    """Growth that ends is found as well as growth that begins."""
    found = change(nights(4.0, 4.1, 3.9, 0.0, 0.1))
    assert found is not None and found["run"] == 4 and found["after_per_hour"] < found["before_per_hour"]


@pytest.mark.parametrize(
    "growths",
    [(0.1, 3.0), (0.0, 0.1, 0.2, 0.3, 0.35), (1.0, -1.2, 0.9, -0.8, 1.1, -1.0)],
    ids=["few", "small", "noisy"],
)
def test_scatter_and_trifles_are_no_change(growths: tuple[float, ...]) -> None:
    """Too few nights, a change below half the limit, and nights that scatter: nothing is claimed."""
    assert change(nights(*growths)) is None


def test_chance_is_seldom_taken_for_a_change() -> None:
    """200 histories of 30 nights without a change, scatter of 2 MB/h: fewer than 5 % have one."""
    rng = random.Random(1)
    found = [change(nights(*(rng.gauss(0.0, 2.0) for _ in range(30)))) for _ in range(200)]
    assert sum(one is not None for one in found) < 10


def test_command_names_run_and_versions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From stored reports: the series that changed, since which run, between which versions."""
    url = f"sqlite:///{tmp_path / 'soak.db'}"
    with open_store(url) as store:
        for number, growth in enumerate((0.0, 0.0, 0.0, 3.0 * MB, 3.0 * MB)):
            run_id = make_run(
                store, Plan(heap_growth=growth, version=f"commit{number}", started=STARTED + number * 86400)
            )
            store.write(run_id, [AnalysisRow(1.0, compute(store, run_id))])
    history.command.main([], obj=Globals(store=url), standalone_mode=False)
    text = capsys.readouterr().out
    assert text.startswith("orders-api: growth per run, oldest first, 5 runs\n")
    assert text.count("since run 4: +") == 2  # rss and python_heap
    assert "look between commit2 and commit3" in text
    history.command.main(["--json"], obj=Globals(store=url), standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["runs"] == [1, 2, 3, 4, 5]
