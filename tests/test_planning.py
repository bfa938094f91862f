"""The warning before a run: said when the planned cycles cannot decide a limit, and only then."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from soak import planning
from soak.config import Config, Overrides, load_config
from tests.common import PATIENCE_S

SOAK = """
[target]
command = ["python", "app.py"]
url = "http://127.0.0.1:8000"
"""


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer takes a fifth of a second, and on a busy machine many: a warning that is late is not said."""
    monkeypatch.setattr(planning, "PATIENCE", 4 * PATIENCE_S)


def config(folder: Path, text: str = "", **overrides: object) -> Config:
    """A configuration with `text` added."""
    path = folder / "soak.toml"
    path.write_text(SOAK + text)
    return load_config(path, overrides=Overrides(**overrides))  # type: ignore[arg-type]


def test_the_defaults_can_be_decided(tmp_path: Path) -> None:
    """Eight cycles of an hour decide 1 MB/h and one descriptor in two hours: nothing is said."""
    assert planning.warnings(config(tmp_path)) == []


def test_too_few_cycles_say_how_many_it_takes(tmp_path: Path) -> None:
    """Two cycles decide nothing; the warning gives the option that would."""
    said = planning.warnings(config(tmp_path, cycles=2))
    assert any("growth 1MB/h" in line and "--cycles" in line for line in said)
    assert any("fds 0.5/h" in line for line in said)


@pytest.mark.parametrize("cycle", ["60s", "10s"])
def test_a_limit_per_hour_in_short_cycles_is_out_of_reach(tmp_path: Path, cycle: str) -> None:
    """1 MB/h is 17 KB in a minute, below the noise of rss: say so before the night and name the way out."""
    said = planning.warnings(config(tmp_path, '[limits]\ngrowth = "1MB/h"\n', cycle=cycle))
    assert any("growth 1MB/h" in line and "per cycle or per request" in line for line in said)


def test_short_cycles_sample_the_heap_more_finely(tmp_path: Path) -> None:
    """A night samples every 64 KiB; 1 MB a cycle is 64 samples of 16 KiB; a tiny limit stops at 8 KiB."""
    assert planning.sampling_interval(config(tmp_path)) == 64 * 1024
    assert planning.sampling_interval(config(tmp_path, cycle="10s")) == 16 * 1024
    small = '[limits]\ngrowth = "100KB/cycle"\n'
    assert planning.sampling_interval(config(tmp_path, small, cycle="10s")) == 8 * 1024


def test_a_limit_per_request_is_planned_by_what_the_profile_sends(tmp_path: Path) -> None:
    """20/s all through the loaded part of 10 s are 20 x 3600 x (1 - quiet/cycle) an hour; users send what they can."""
    constant = config(tmp_path, '[load]\nprofile = "constant"\nhigh = 20\nquiet = "2s"\n', cycle=10.0)
    assert planning._requests_per_hour(constant) == pytest.approx(20 * 3600 * 0.8)
    users = config(tmp_path, "[load]\nusers = 5\n")
    assert planning._requests_per_hour(users) is None
    nothing = config(tmp_path, '[load]\nprofile = "none"\n')
    assert planning._requests_per_hour(nothing) is None


WITHOUT_PYTHON = """
import sys
sys.executable = sys.argv[1]
from soak.cli import exit_code
sys.exit(exit_code(sys.argv[2:]))
"""


@pytest.mark.parametrize("command", ["run", "load"])
def test_an_interpreter_that_this_user_may_not_run_is_said(tmp_path: Path, command: str) -> None:
    """soak started as another user than the one it was installed for: one message and no traceback."""
    python = tmp_path / "python"
    python.touch(mode=0o644)
    (tmp_path / "soak.toml").write_text(SOAK)
    words = [sys.executable, "-P", "-c", WITHOUT_PYTHON, str(python), *command.split()]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=4 * PATIENCE_S)
    assert (done.returncode, "Traceback" in done.stderr) == (4, False), done.stderr
    assert f"{python} cannot be started: Permission denied" in done.stderr
