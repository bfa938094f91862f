"""The command line: help, global options, errors and exit codes."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from soak import cli
from soak.cli_reference import commands
from soak.commands import DURATION, Globals
from soak.errors import UsageError
from soak_storage import open_store
from tests.common import PATIENCE_S
from tests.config.test_problems import MALFORMED


def soak(*args: str, folder: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m soak` for real, without the SOAK_ settings of whoever runs the tests."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SOAK_")}
    return subprocess.run(
        [sys.executable, "-m", "soak", *args],
        cwd=folder,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE_S,
    )


def probe_command() -> click.Command:
    """A command of the tests: prints the global options it got, or ends in a chosen way."""

    @click.command()
    @click.option("--end", type=click.Choice(["soak", "bug", "ctrl-c"]))
    @click.option("--code", type=int)
    @click.pass_obj
    def command(options: Globals, end: str | None, code: int | None) -> int | None:
        """Print the global options."""
        if end == "soak":
            raise UsageError("no_config", path="nowhere.toml")
        if end == "bug":
            raise ZeroDivisionError
        if end == "ctrl-c":
            raise KeyboardInterrupt
        click.echo(f"{options.config} {options.store} {options.verbose} {options.quiet} {options.log_format}")
        return code

    return command


@pytest.fixture(autouse=True)
def with_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add the command of the tests to the table, in a module of its own, and take SOAK_ settings away."""
    module = type(sys)("soak.commands.probe")
    module.__dict__["command"] = probe_command()
    monkeypatch.setitem(sys.modules, "soak.commands.probe", module)
    monkeypatch.setitem(cli.COMMANDS, "probe", cli.Entry("A command of the tests.", ("soak probe",)))
    for name in [name for name in os.environ if name.startswith("SOAK_")]:
        monkeypatch.delenv(name)


def test_help_lists_every_command_and_imports_none() -> None:
    """`soak --help` names each command in its line and stays fast: nothing heavy is imported for it."""
    text = soak("--help").stdout
    assert all(f"  {name} " in text for name in cli.COMMANDS if name != "probe")
    code = (
        "import sys; from soak.cli import exit_code; exit_code(['--help']);"
        "print([m for m in ('numpy','sqlalchemy','rich','httpx','alembic','starlette') if m in sys.modules])"
    )
    assert said_by(code).splitlines()[-1] == "[]"


def test_help_loads_little_beside_click() -> None:
    """Sixty modules at most, and there are hundreds: what it costs is counted, as seconds differ from day to day."""
    click_alone = said_by("import sys, click; print(len(sys.modules))")
    with_help = said_by("import sys; from soak.cli import exit_code; exit_code(['--help']); print(len(sys.modules))")
    assert int(with_help.splitlines()[-1]) < int(click_alone) + 60


def said_by(code: str) -> str:
    """What a program in a process of its own prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help_with_examples(name: str) -> None:
    """`soak NAME --help` works, ends with examples, and takes the global options."""
    result = CliRunner().invoke(cli.cli, [name, "--help"], prog_name="soak")
    assert result.exit_code == 0, result.output
    assert "Examples:" in result.output and f"soak {name}" in result.output
    assert all(option in result.output for option in ("--store", "--config", "--log-format", "--version"))


def test_the_examples_parse() -> None:
    """No example in a help text uses an option that does not exist."""
    for name, entry in cli.COMMANDS.items():
        command = cli.cli.get_command(click.Context(cli.cli), name)
        assert command is not None
        for example in entry.examples:
            words = example.replace("'python app.py'", "command").split()
            assert words[:2] == ["soak", name]
            command.make_parser(click.Context(command))
            command.make_context(name, words[2:], resilient_parsing=False, obj=Globals())


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["probe"], "None None 0 False text"),
        (["-c", "a.toml", "--store", "x.db", "-vv", "-q", "--log-format", "json", "probe"], "a.toml x.db 2 True json"),
        (["probe", "-c", "a.toml", "--store", "x.db", "-v", "-q"], "a.toml x.db 1 True text"),
        (["-c", "a.toml", "probe", "-c", "b.toml"], "b.toml None 0 False text"),
    ],
)
def test_global_options_work_before_and_after_the_command(args: list[str], said: str) -> None:
    """Both places mean the same; the later one wins."""
    assert CliRunner().invoke(cli.cli, args).output.strip() == said


def test_global_options_come_from_the_environment_and_typing_wins() -> None:
    """Each has its SOAK_ variable, which counts less than what is typed, wherever it is typed."""
    environ = {"SOAK_CONFIG": "e.toml", "SOAK_STORE": "e.db", "SOAK_LOG_FORMAT": "json"}
    assert CliRunner(env=environ).invoke(cli.cli, ["probe"]).output.strip() == "e.toml e.db 0 False json"
    typed = CliRunner(env=environ).invoke(cli.cli, ["--store", "t.db", "probe", "-c", "t.toml"])
    assert typed.output.strip() == "t.toml t.db 0 False json"


def test_an_unknown_command_suggests_the_nearest() -> None:
    """A typing error is answered with what was probably meant, and is a usage error."""
    run = soak("reprot")
    assert run.returncode == 2
    assert "soak report" in run.stderr


def test_version_works_in_both_places() -> None:
    """`soak --version` and `soak NAME --version` print one line."""
    assert soak("--version").stdout.startswith("soak 0.")
    assert CliRunner().invoke(cli.cli, ["probe", "--version"]).output.startswith("soak 0.")


def test_a_problem_is_one_message_with_its_next_step(capsys: pytest.CaptureFixture[str]) -> None:
    """A SoakError ends with its exit code, its message and what to do, and no traceback."""
    assert cli.exit_code(["probe", "--end", "soak"]) == 2
    err = capsys.readouterr().err
    assert "nowhere.toml" in err and "soak init" in err and "Traceback" not in err


def test_a_fault_in_soak_is_never_mistaken_for_a_leak(capsys: pytest.CaptureFixture[str]) -> None:
    """Python would end with 1, which means leak: a bug ends with 4 and shows its traceback."""
    assert cli.exit_code(["probe", "--end", "bug"]) == 4
    err = capsys.readouterr().err
    assert "ZeroDivisionError" in err and "fault in soak" in err


def test_exit_codes_of_commands_are_passed_on() -> None:
    """What a command returns is the exit code; nothing is 0; wrong usage is 2; Ctrl-C is 130."""
    assert cli.exit_code(["probe", "--code", "3"]) == 3
    assert cli.exit_code(["probe"]) == 0
    assert cli.exit_code(["probe", "--bogus"]) == 2
    assert cli.exit_code(["probe", "--end", "ctrl-c"]) == 130


def test_a_malformed_configuration_is_two_without_a_traceback(tmp_path: Path) -> None:
    """`soak run` on a broken soak.toml names every problem and starts nothing."""
    (tmp_path / "soak.toml").write_text('[target]\nredy = "/"\n[load]\ncycle = "1x"\n')
    run = soak("run", folder=tmp_path)
    assert run.returncode == 2
    assert all(key in run.stderr for key in ("target.redy", "load.cycle", "target.url"))
    assert "did you mean ready" in run.stderr and "Traceback" not in run.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["soak.toml"]


@pytest.mark.parametrize(("text", "keys"), [case[1:] for case in MALFORMED], ids=[case[0] for case in MALFORMED])
def test_ten_malformed_configurations_end_with_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, keys: set[str]
) -> None:
    """Each names all its problems on stderr, without a traceback, and starts nothing."""
    file = tmp_path / "soak.toml"
    file.write_text(text)
    assert cli.exit_code(["run", "-c", str(file)]) == 2
    err = capsys.readouterr().err
    assert all(f"{file}: {key}: " in err for key in keys) and "Traceback" not in err
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("words", ["--help", "--version", "run --help", "runs"])
def test_a_reader_that_has_left_gets_no_traceback(tmp_path: Path, words: str) -> None:
    """Output into a pipe that nobody reads ends quietly with 141, and not with 1, which is a leak."""
    reading, writing = os.pipe()
    os.close(reading)
    open_store(f"sqlite:///{tmp_path / 'soak.db'}").close()
    command = [sys.executable, "-m", "soak", "--store", "sqlite:///soak.db", *words.split()]
    streams = {"stdout": writing, "stderr": subprocess.PIPE}
    run = subprocess.run(command, cwd=tmp_path, text=True, timeout=4 * PATIENCE_S, check=False, **streams)
    os.close(writing)
    assert (run.returncode, run.stderr) == (141, "")


@pytest.mark.parametrize("words", ["nonsense", "check", "run -c missing.toml"])
def test_a_message_that_nobody_reads_is_no_leak_either(tmp_path: Path, words: str) -> None:
    """Into a pipe that nobody reads: 141 as well, and not 1."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "soak", *words.split()]
    run = subprocess.run(command, cwd=tmp_path, stdout=writing, stderr=writing, timeout=4 * PATIENCE_S, check=False)
    os.close(writing)
    assert run.returncode == 141


def test_without_a_stdout_all_is_well() -> None:
    """Closed by whoever started it, as a service may be."""
    command = ["sh", "-c", f"exec {sys.executable} -m soak --version >&-"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=4 * PATIENCE_S, check=False)
    assert (run.returncode, run.stderr) == (0, "")


def test_a_pipe_of_something_else_is_a_fault_and_no_leak(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """click takes any broken pipe for stdout's."""

    def broken(*_: object, **__: object) -> None:
        raise BrokenPipeError(errno.EPIPE, "broken")

    monkeypatch.setattr(sys, "stdout", sys.stdout)
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    monkeypatch.setattr(cli.cli, "invoke", broken)
    assert cli.exit_code(["runs"]) == 4
    assert "a fault in soak" in capsys.readouterr().err


def test_own_modules_of_the_folder_do_not_get_in_the_way(tmp_path: Path) -> None:
    """soak runs in a folder with its own storage/, probes/ and logging-like names, with PYTHONPATH=. set."""
    for name in ("storage", "probes"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('not yours')\n")
    run = soak("run", folder=tmp_path, PYTHONPATH=".")
    assert (run.returncode, "Traceback" in run.stderr) == (2, False)
    assert "soak.toml" in run.stderr


@pytest.mark.parametrize(("text", "seconds"), [("60s", 60.0), ("1h30m", 5400.0)])
def test_durations_on_the_command_line(text: str, seconds: float) -> None:
    """Options take the durations of soak.toml."""
    assert DURATION(text) == seconds
    with pytest.raises(click.BadParameter, match="90s"):
        DURATION("60")


@pytest.mark.parametrize("path", [path for path, _ in commands() if len(path.split()) > 2])
def test_commands_of_groups_have_examples_of_their_own(path: str) -> None:
    """`soak db prune --help` ends with `soak db prune`."""
    done = CliRunner().invoke(cli.cli, [*path.split()[1:], "--help"])
    _, found, shown = done.output.partition("Examples:")
    assert done.exit_code == 0 and found and path in shown
