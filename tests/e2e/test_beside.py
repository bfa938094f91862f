"""What runs beside the sampling: checks before and during the load, faults in each cycle, probes of the user's own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from soak_storage import open_store
from soak_storage.records import EventRow
from tests.common import free_port

from .soaking import soak, write_config


def events(folder: Path) -> list[EventRow]:
    """Everything that happened in the only run of a folder."""
    with open_store(f"sqlite:///{folder / 'soak.db'}") as store:
        return store.events(store.run(None).id)


def add(path: Path, text: str) -> None:
    """More tables for a soak.toml; URL stands for the target's."""
    written = path.read_text()
    url = re.search(r'url = "([^"]+)"', written)
    assert url is not None
    path.write_text(written + text.replace("URL", url[1]))


def test_checks_probes_and_faults_are_in_the_store(tmp_path: Path) -> None:
    """A healthy check, a state and a number that are polled, and a target that is stopped and goes on.

    That each cycle has its fault is tests/checks' to show: here one is missed when soak gets no turn until the next.
    """
    path = write_config(tmp_path, load={"cycles": 3})
    add(
        path,
        """
[[check]]
name = "api"
kind = "http"
url = "URL/health"
interval = "500ms"

[[probe]]
name = "breaker"
kind = "state"
url = "URL/state"
field = "$.state"

[[probe]]
name = "kept"
kind = "number"
url = "URL/state"
field = "$.kept"

[[fault]]
at = "20%"
kind = "stop"
for = "300ms"
""",
    )
    done = soak(tmp_path, "run", "--json", "report.json")
    assert done.report is not None, done.err
    assert "check api (http): ok" in done.err
    found = events(tmp_path)
    assert {event.detail["state"] for event in found if event.kind == "state"} == {"closed"}
    assert "healthy" in {event.detail["state"] for event in found if event.kind == "check"}
    faults = [event for event in found if event.kind == "fault"]
    assert any(fault.detail["recovered"] is not None for fault in faults)
    assert any(series["name"] == "kept" for series in done.report["series"])


def test_a_restart_on_purpose_begins_a_segment(tmp_path: Path) -> None:
    """The target is started anew by a fault; the run goes on with new processes and is not an error."""
    path = write_config(tmp_path, load={"cycle": "8s", "cycles": 2})
    add(path, '\n[[fault]]\nat = "30%"\nkind = "restart"\n')
    done = soak(tmp_path, "run", "--json", "report.json")
    assert done.report is not None, done.err
    assert done.report["run"]["status"] == "completed", done.err
    assert len(done.report["run"]["target"]["pids"]) == 1 + len(done.report["run"]["segments"]) >= 2


@pytest.mark.parametrize("kind", ["tcp", "http"])
def test_a_dependency_that_is_away_ends_the_run_before_the_load(tmp_path: Path, kind: str) -> None:
    """The check that failed is named with its reason, exit 4, and no request was sent."""
    path = write_config(tmp_path)
    port = free_port()
    where = f'host = "127.0.0.1"\nport = {port}' if kind == "tcp" else f'url = "http://127.0.0.1:{port}/"'
    add(path, f'\n[[check]]\nname = "orders-db"\nkind = "{kind}"\n{where}\n')
    done = soak(tmp_path, "run", "--json", "report.json")
    assert done.code == 4
    assert "orders-db" in done.err and "Traceback" not in done.err
    assert done.report is not None
    assert done.report["load"]["due"] == 0
