"""The commands on a real store: exit codes of the contract, lists without numpy, files."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from soak.cli import exit_code
from soak.commands import Globals, baseline, compare
from soak.errors import SoakError
from soak.report.compute import compute
from soak_storage import Store, open_store
from soak_storage.records import AnalysisRow, RunStart

from .runs import MB, Plan, make_run


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with a clean, a leaky, a short and a failed run, judged as `soak run` does."""
    url = f"sqlite:///{tmp_path_factory.mktemp('nights') / 'soak.db'}"
    plans = [
        Plan(version="1.0"),
        Plan(heap_growth=3 * MB, version="1.1"),
        Plan(cycles=2),
        Plan(done=0, status="failed", error={"code": "target_not_started", "message": "no such file"}),
    ]
    with open_store(url) as store:
        for plan in plans:
            run_id = make_run(store, plan)
            store.write(run_id, [AnalysisRow(1.0, compute(store, run_id))])
    return url


@pytest.mark.parametrize(
    ("run", "code", "word"), [("1", 0, "CLEAN"), ("2", 1, "LEAK"), ("3", 3, "INCONCLUSIVE"), ("4", 4, "ERROR")]
)
def test_check_ends_with_the_verdict(
    nights: str, run: str, code: int, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line of text and the exit code of the contract."""
    assert exit_code(["check", run, "--store", nights]) == code
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 and lines[0].startswith(word)


def test_check_without_a_run_is_an_error(nights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No such run, no store, no run in the store: 4 each, never 0."""
    assert exit_code(["check", "99", "--store", nights]) == 4
    assert exit_code(["check", "--store", f"sqlite:///{tmp_path / 'none.db'}"]) == 4
    with open_store(f"sqlite:///{tmp_path / 'empty.db'}"):
        pass
    assert exit_code(["check", "--store", f"sqlite:///{tmp_path / 'empty.db'}"]) == 4
    assert capsys.readouterr().out == ""


def test_report_shows_the_latest_or_the_run_that_is_named(nights: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Showing a leak is no failure: 0 when it could be shown."""
    assert exit_code(["report", "--store", nights]) == 0
    assert capsys.readouterr().out.startswith("ERROR")
    assert exit_code(["report", "2", "--store", nights]) == 0
    assert "app.py:57 handler" in capsys.readouterr().out


def test_run_of_a_soak_that_was_killed_is_shown_as_interrupted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """kill -9 of soak leaves a run that says it is running: its owner is gone, so every command closes it first."""
    url = f"sqlite:///{tmp_path / 'soak.db'}"
    gone = subprocess.Popen(["true"])
    gone.wait()
    with open_store(url) as store:
        start = RunStart(
            "api", socket.gethostname(), time.time(), "0", 60.0, 9.0, 8, {}, owner_pid=gone.pid, owner_start=1
        )
        store.begin_run(start)
    assert exit_code(["report", "--store", url]) == 0
    assert "interrupted" in capsys.readouterr().out
    assert exit_code(["runs", "--store", url]) == 0
    assert "interrupted" in capsys.readouterr().out
    assert exit_code(["check", "--store", url]) == 3


def test_report_for_a_terminal_that_knows_no_unicode(nights: str) -> None:
    """Characters that the terminal lacks are replaced, the report is shown all the same."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "soak", "report", "2", "--store", nights],
        env={"PATH": "/usr/bin:/bin", "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=True,
    )
    assert b"LEAK" in done.stdout and done.stdout.isascii()


@pytest.mark.parametrize("form", ["text", "json", "html", "markdown", "junit", "sarif"])
def test_report_writes_a_file_in_every_format(nights: str, form: str, tmp_path: Path) -> None:
    """-o writes the file and says nothing."""
    file = tmp_path / "report"
    assert exit_code(["report", "2", "--store", nights, "--format", form, "-o", str(file)]) == 0
    assert "handler" in file.read_text(encoding="utf-8")


def run_command(module: ModuleType, nights: str, *args: str) -> object:
    """Call a command as the command line does."""
    return module.command.main(list(args), obj=Globals(store=nights), standalone_mode=False)


def test_baseline_and_compare(nights: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A run is compared with its baseline or with a run that is named; without either it says what to do."""
    with pytest.raises(SoakError, match="soak baseline") as raised:
        run_command(compare, nights, "2")
    assert raised.value.exit_code == 4
    run_command(baseline, nights, "1")
    assert capsys.readouterr().out == "1 run of orders-api is the baseline.\n"
    assert run_command(compare, nights, "2") == 1
    assert capsys.readouterr().out.startswith("WORSE  run 2 (1.1) against 1 (1.0)")
    assert run_command(compare, nights, "2", "1", "--json") == 0
    assert json.loads(capsys.readouterr().out)["findings"]["gone"]
    run_command(baseline, nights, "1", "2", "3")
    assert run_command(compare, nights, "4") == 1
    assert "against 3, 2 (1.1), 1 (1.0)" in capsys.readouterr().out
    run_command(baseline, nights, "1", "2", "3", "--remove")
    with pytest.raises(SoakError, match="marked"):
        run_command(compare, nights, "2")


def test_runs_lists_a_thousand_quickly_and_without_numpy(tmp_path: Path) -> None:
    """A line each, newest first, with as few questions to the store as for one; neither numpy nor the analysis loads.

    `python -m benchmarks reports` tells how long it takes.
    """
    url = f"sqlite:///{tmp_path / 'soak.db'}"
    with open_store(url) as store:
        _thousand(store)
    code = (
        "import sys; import sqlalchemy as sa; from soak.cli import exit_code\n"
        "asked = []\n"
        "sa.event.listen(sa.Engine, 'before_cursor_execute', lambda *statement: asked.append(statement))\n"
        "exit_code(['runs', '--store', sys.argv[1]])\n"
        "assert not [m for m in sys.modules if m.startswith(('numpy', 'soak.analysis'))]\n"
        "print(len(asked), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code, url], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 1001 and lines[1].split()[0] == "1000"
    assert int(done.stderr) < 30


def _thousand(store: Store) -> None:
    start = RunStart("api", "box", time.time(), "0", 60.0, 9.0, 8, {})
    for _ in range(1000):
        store.begin_run(start)
