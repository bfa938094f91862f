"""The whole path, for real: target, load, samples, agent, store, verdict, report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .soaking import soak, soak_undisturbed, write_config

PER_REQUEST = 20_000
# 5 to 60 requests/s over 2.5 s: about 81 requests, 1.6 MB per cycle against the default limit of 1 MB per cycle.


def site_of(report: dict[str, Any]) -> dict[str, Any] | None:
    """The guilty place of the finding of growth."""
    return next((site for item in report["findings"] if item["kind"] == "growth" for site in item["sites"]), None)


def truth(report: dict[str, Any]) -> float:
    """Bytes per hour that the requests kept: 20 seconds of soak."""
    return float(PER_REQUEST * report["load"]["landed"] / 20.0 * 3600.0)


def is_seen_through(report: dict[str, Any]) -> bool:
    """Whether the run went as on a machine that has the time for it: the place, its growth and its holder are known."""
    site = site_of(report)
    return site is not None and bool(site["held_by"]) and 0.7 < site["growth_per_hour"] / truth(report) < 1.3


def is_decided(report: dict[str, Any]) -> bool:
    """Whether it says what the guest does: where it keeps nothing, a leak is wrong on the busiest machine."""
    return report["verdict"] not in ("inconclusive", "error")


@pytest.mark.timeout(900)
def test_a_growing_list_is_named_with_file_line_and_function(tmp_path: Path) -> None:
    """A list that grows by 1.6 MB a cycle is a leak at the line that appends to it."""
    write_config(tmp_path, target={"env": {"LEAK": str(PER_REQUEST)}})
    done = soak_undisturbed(tmp_path, is_seen_through)
    assert done.code == 1, done.err
    assert done.report is not None
    assert done.report["verdict"] == "leak"
    site = site_of(done.report)
    assert site is not None
    assert 0.7 < site["growth_per_hour"] / truth(done.report) < 1.3
    assert (Path(site["file"]).name, site["function"]) == ("guest.py", "remember")
    assert site["share"] > 0.8
    assert ["module __main__", "list KEPT"] in site["held_by"]
    assert "guest.py" in done.out and "leak" in done.out.lower()
    assert done.err.count("cycle 5/5 load") <= 1, "the end of the last cycle is not the load of another"


@pytest.mark.timeout(900)
def test_the_same_target_without_the_leak_is_clean(tmp_path: Path) -> None:
    """A guest that keeps nothing is called clean, with the smallest growth that would have been seen."""
    counts = dict.fromkeys(("fds", "sockets", "threads", "tasks", "children", "tmp_files"), "2/cycle")
    write_config(tmp_path, limits=counts, load={"cycles": 7})  # two to spare: a busy machine spoils one
    done = soak_undisturbed(tmp_path, is_decided)
    assert done.report is not None
    assert done.report["verdict"] == "clean", done.out
    assert done.code == 0
    rss = next(item for item in done.report["series"] if item["name"] == "rss" and item["process"] == "total")
    assert rss["detectable_per_hour"] > 0


def test_what_was_stored_is_shown_again(tmp_path: Path) -> None:
    """`soak report`, `soak check` and `soak runs` tell of a stored run what `soak run` told."""
    write_config(tmp_path, load={"cycles": 2})
    done = soak(tmp_path, "run", "--json", "report.json")
    again = soak(tmp_path, "report", "--format", "json")
    assert done.report is not None
    assert json.loads(again.out)["verdict"] == done.report["verdict"] == "inconclusive"
    assert again.code == 0
    assert soak(tmp_path, "check").code == done.code == 3
    runs = soak(tmp_path, "runs")
    assert runs.code == 0
    assert "guest" in runs.out and "inconclusive" in runs.out
