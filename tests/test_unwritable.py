"""A place that cannot be written is one message with exit code 2, and where it can be known before, nothing starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from soak.cli import exit_code
from soak_storage import open_store
from tests.report.runs import Plan, make_run

CONFIGURATION = """
[target]
command = ["no-such-program"]
url = "http://127.0.0.1:1"
[[scenario]]
name = "work"
path = "/"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration, a store with a run, and `file`, which is not a folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "soak.toml").write_text(CONFIGURATION)
    (tmp_path / "file").touch()
    with open_store("sqlite:///soak.db") as store:
        make_run(store, Plan(cycles=4))


@pytest.mark.parametrize(
    "command",
    [
        "report -o file/report.txt",
        "report --format html -o none/report.html",
        "agent export file/vendor",
        "agent export --wheel file/dist",
        "db export file/out",
        "demo --keep file/out",
        "init --yes --no-try --command x -o none/soak.toml",
        "run --json none/report.json",
        "load --json file/load.json",
    ],
)
def test_it_is_said_and_is_no_fault_of_soak(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The place is named, and what to do."""
    assert exit_code(command.split()) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said and "fault in soak" not in said
    place = command.split()[-1]
    assert place.partition("/")[0] in said and ("could not be written" in said or "no folder" in said)


def test_a_name_without_runs_is_not_an_empty_store(capsys: pytest.CaptureFixture[str]) -> None:
    """`soak runs --name` says of whom there is none."""
    assert exit_code(["runs", "--name", "nobody"]) == 0
    assert "No run of nobody is stored yet" in capsys.readouterr().out
