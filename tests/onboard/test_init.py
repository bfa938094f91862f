"""`soak init` writes a configuration that is valid and, where it tried the service, true."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from soak import cli
from soak.config import load_config
from soak.onboard import detect, project, trial
from tests.common import PATIENCE_S, free_port

APP = """\
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

async def fine(request): return JSONResponse({})
async def broken(request): return Response(status_code=500)
async def private(request): return Response(status_code=401)
async def logout(request): raise SystemExit

app = Starlette(routes=[
    Route("/orders", fine), Route("/orders/{id}", fine), Route("/broken", broken), Route("/logout", logout),
    Route("/healthz", fine), Route("/private", private),
])
"""


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service starts and answers within a second, and on a busy machine within many: that is not what is tested."""
    monkeypatch.setattr(project, "_INTERPRETER_TIMEOUT_S", 2 * PATIENCE_S)
    monkeypatch.setattr(trial, "START_TIMEOUT_S", 2 * PATIENCE_S)
    monkeypatch.setattr(trial, "ANSWER_TIMEOUT_S", PATIENCE_S)
    monkeypatch.setattr(detect, "free_port", free_port)  # the kernel's may be another test's connection by then


def init(folder: Path, *args: str, answers: str | None = None) -> Result:
    """Run `soak init` in a folder, without the SOAK_ settings of whoever runs the tests."""
    environ = {name: None for name in os.environ if name.startswith("SOAK_")}
    before = Path.cwd()
    os.chdir(folder)
    try:
        return CliRunner(env=environ).invoke(cli.cli, ["init", *args], input=answers)
    finally:
        os.chdir(before)


def test_init_tries_the_service_and_keeps_the_paths_that_answer(tmp_path: Path) -> None:
    """The service is started once: what answers becomes a scenario, what fails or changes something does not."""
    (tmp_path / "main.py").write_text(APP)
    result = init(tmp_path, "--yes")
    assert result.exit_code == 0, result.output
    config = load_config(tmp_path / "soak.toml", environ={})
    assert [scenario.path for scenario in config.scenarios] == ["/orders"]
    assert config.target.ready == "/healthz"
    assert config.target.command[1:4] == ("-m", "uvicorn", "main:app")
    text = (tmp_path / "soak.toml").read_text()
    for line in (
        "/orders/{id}  needs a value",
        "/broken  answered 500: what it needs may be missing here",
        "/private  answered 401: it wants to be signed in",
    ):
        assert f"#   {line}" in text
    assert "/logout  sounds as if" in text and "/ready" not in text  # a guess that is not there is not missed
    assert "left out: /private answered 401" in result.output
    assert "--path PATH sends one all the same" in result.output
    port = int(config.target.command[-1])
    assert config.target.url == f"http://127.0.0.1:{port}"
    with socket.socket() as probe:  # nothing is left running
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_path_that_was_not_asked_for_there_are_many_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is compared with the routes by whoever reads it: none is missing without a word."""
    monkeypatch.setattr(trial, "_MOST_PATHS", 1)
    (tmp_path / "main.py").write_text(APP)
    assert init(tmp_path, "--yes").exit_code == 0
    text = (tmp_path / "soak.toml").read_text()
    assert "#   /broken  not asked" in text and "#   /private  not asked" in text and "/ready" not in text


def test_a_path_that_was_asked_for_is_sent_though_it_is_refused(tmp_path: Path) -> None:
    """--path decides; that it answered 404 is said, on the terminal and in the file."""
    (tmp_path / "main.py").write_text(APP)
    result = init(tmp_path, "--yes", "--path", "/orders", "--path", "/nowhere")
    assert "sent as asked: /nowhere answered 404" in result.output
    assert "NOTE: /nowhere answered 404: not there. It is sent all the same" in (tmp_path / "soak.toml").read_text()
    config = load_config(tmp_path / "soak.toml", environ={})
    assert [scenario.path for scenario in config.scenarios] == ["/orders", "/nowhere"]


def test_init_finds_the_port_that_the_service_chose_itself(tmp_path: Path) -> None:
    """A script with its own port is asked there, wherever that is."""
    port = free_port()
    script = f"{sys.executable} -m http.server --bind 127.0.0.1 {port}"
    assert init(tmp_path, "--yes", "--command", script).exit_code == 0
    config = load_config(tmp_path / "soak.toml", environ={})
    assert config.target.url == f"http://127.0.0.1:{port}"
    assert [scenario.path for scenario in config.scenarios] == ["/"]


def test_a_service_that_does_not_start_is_said_with_its_log(tmp_path: Path) -> None:
    """The file is written all the same, with the reason in it; its log is shown."""
    (tmp_path / "app.py").write_text("raise RuntimeError('no database')")
    result = init(tmp_path, "--yes", "--command", f"{sys.executable} app.py")
    assert result.exit_code == 0
    assert "no database" in result.output
    assert "did not start" in (tmp_path / "soak.toml").read_text()
    assert load_config(tmp_path / "soak.toml", environ={}).scenarios[0].path == "/"


def test_a_worker_without_a_port_is_tried_without_waiting_for_one(tmp_path: Path) -> None:
    """It runs for a moment: that is all that can be asked of it, and no note says that it did not start."""
    (tmp_path / "Procfile").write_text(f"queue: {sys.executable} -c 'import time; time.sleep(60)'\n")
    result = init(tmp_path, "--yes")
    assert "It runs, and has no URL." in result.output
    assert "did not start" not in (tmp_path / "soak.toml").read_text()
    config = load_config(tmp_path / "soak.toml", environ={})
    assert (config.target.url, config.load.profile) == (None, "none")


def test_init_never_overwrites(tmp_path: Path) -> None:
    """A file that is there stays as it is; the message says how to name another."""
    (tmp_path / "soak.toml").write_text("mine")
    result = init(tmp_path, "--yes", "--command", "true")
    assert result.exception is not None and "-o FILE" in str(result.exception)
    assert (tmp_path / "soak.toml").read_text() == "mine"


def test_an_empty_folder_needs_a_command(tmp_path: Path) -> None:
    """In scripts nothing can be asked: the message shows the flag."""
    result = init(tmp_path, "--yes")
    assert result.exception is not None and "--command" in str(result.exception)
    assert not (tmp_path / "soak.toml").exists()


def test_flags_decide_everything(tmp_path: Path) -> None:
    """With flags and --no-try nothing is started and nothing is guessed."""
    flags = ["--command", "app --x 'a b'", "--url", "http://127.0.0.1:9999", "--ready", "/up", "--name", "shop"]
    assert init(tmp_path, *flags, "--path", "/a", "--path", "/b", "--no-try", "-o", "other.toml").exit_code == 0
    config = load_config(tmp_path / "other.toml", environ={})
    assert config.target.command == ("app", "--x", "a b")
    assert (config.target.name, config.target.ready, config.target.url) == ("shop", "/up", "http://127.0.0.1:9999")
    assert [scenario.path for scenario in config.scenarios] == ["/a", "/b"]
    assert (config.load.cycle, config.load.cycles) == (3600.0, 8)


def test_what_is_written_scales_with_the_command_line(tmp_path: Path) -> None:
    """`soak run --cycles 3 --cycle 20s` right after init: nothing that is written stands in the way."""
    from soak.config import Overrides

    assert init(tmp_path, "--yes", "--no-try", "--command", "app").exit_code == 0
    config = load_config(tmp_path / "soak.toml", environ={}, overrides=Overrides(cycle=20.0, cycles=3))
    assert (config.load.quiet, config.limits.growth.per) == (3.0, "cycle")


def test_strange_names_survive_the_file(tmp_path: Path) -> None:
    """Quotes, backslashes, dollars and umlauts in a command come back as they were."""
    odd = "app --say 'a \"b\" \\\\ ü ${PORT} $HOME'"
    assert init(tmp_path, "--yes", "--no-try", "--command", odd, "--name", 'q"uote').exit_code == 0
    config = load_config(tmp_path / "soak.toml", environ={})
    assert config.target.command == ("app", "--say", 'a "b" \\\\ ü ${PORT} $HOME')
    assert config.target.name == 'q"uote'


@pytest.mark.parametrize("given", [True, False])
def test_a_terminal_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: bool) -> None:
    """On a terminal the questions come with what was found as their default; typed answers win."""
    (tmp_path / "a.py").write_text("from flask import Flask\none = Flask('x')\ntwo = Flask('y')\n")
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda self: True, raising=False)
    typed = "2\nn\nshop\nhttp://127.0.0.1:7000\n/x /y\n" if given else "\nn\n\n\n\n"
    result = init(tmp_path, answers=typed)
    assert result.exit_code == 0, result.output
    config = load_config(tmp_path / "soak.toml", environ={})
    expected = ("a:two", "shop", ["/x", "/y"]) if given else ("a:one", tmp_path.name, ["/"])
    served = config.target.command[4]
    assert (served, config.target.name, [scenario.path for scenario in config.scenarios]) == expected
