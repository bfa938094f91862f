"""The dashboard soaked by soak: fifty listeners that hang up leave nothing behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.web.listeners import LISTENERS, figures, soak_dashboard

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_listeners_leave_no_descriptor_task_or_thread(tmp_path: Path) -> None:
    """Eight cycles of ten seconds, every listener gone after three: no growth of what can be counted."""
    report = soak_dashboard(tmp_path, cycle=10, cycles=8, hold=3, growth="2MB/cycle")
    (listen,) = [one for one in report["load"]["scenarios"] if one["name"] == "listen"]
    assert listen["landed"] + listen["faulted"] >= 4 * LISTENERS, "on a machine that is too busy not all come through"
    found = figures(report)
    for name in ("fds", "sockets", "threads", "tasks"):
        growth, _, _, verdict = found[name]
        assert verdict != "leak" and growth == pytest.approx(0.0, abs=0.5), (name, found[name])
    assert not [one["series"] for one in report["findings"] if one["kind"] == "growth"], report["summary"]
