"""Every `soak` command that stands outside of the blocks of the documents works, in a folder with runs in its store."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import click
import pytest

from soak.cli import cli
from soak.report.compute import compute
from soak_storage import open_store
from soak_storage.records import AnalysisRow
from tests.docs.blocks import documents, lines, outside, runnable
from tests.docs.conftest import Timed
from tests.docs.elsewhere import RUN_BY
from tests.docs.stage import Done, Stage
from tests.report.runs import Plan, make_run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

NAME = "orders-api"
RUNS = 12  # the run that the examples speak of
VERDICT = r"(?m)^(LEAK|FAILED|ERROR|INCONCLUSIVE|CLEAN)  "
# What each command prints, and no other exit code than 0 (verdicts count as 0: see WRAPPER).
SHAPES = {
    "soak agent export": r"(?i)agent",
    "soak baseline": rf"of {NAME} (is|are) the baseline",
    "soak check": VERDICT,
    "soak compare": rf"run {RUNS} .* against 3 ",
    "soak db export": r" samples\n(.*\n)*.* in \S+\.",
    "soak db prune": r"Deleted \d+ run",
    "soak db upgrade": r"is up to date: schema",
    "soak db vacuum": r" -> ",
    "soak demo": r"=== leaky target ===(.*\n)+=== clean target ===(.*\n)+soak demo: ",
    "soak doctor": r"(?m)^(ok|warn|skip)  ",
    "soak history": rf"{NAME}: growth per run, oldest first, {RUNS} runs",
    "soak init": r"Wrote soak\.toml\. Next: ",
    "soak load": r"work",
    "soak report": VERDICT,
    "soak run": VERDICT,
    "soak runs": rf"(?m)^{RUNS} .* {NAME}",
}
DAEMON = ("soak daemon", "soak status")  # these are run together: the one asks the other
FILES = {"report.json", "compare.html", "soak.html", "out.html", "load.json", "FILE"}


def filled_in(command: str) -> str:
    """With values for the words in capitals."""
    runs = {"A": "3", "B": str(RUNS), "RUN": "3" if command.endswith(" B") else str(RUNS)}
    words = {**runs, "DIR": "out", "...": "json"}
    return " ".join(words.get(word, word) for word in command.split(" ")).replace("/etc/soak/", "")


def shown() -> list[str]:
    """Each once, without those that a block runs, those that elsewhere.py knows, and bare names of commands."""
    found = {command for path in documents() for command in outside(path)}
    found = {command for command in found if re.match(r"(?:LEAK=1 )?soak ", command)}
    in_blocks = {command for path in documents() for block in runnable(path) for command in lines(block)}
    return sorted(command for command in found - in_blocks - set(RUN_BY) if not _is_a_name(command))


def path_of(command: str) -> tuple[str, click.Command]:
    """The words that name the command, `soak db export`, and the command."""
    words, found = ["soak"], cli
    for word in shlex.split(command.replace("LEAK=1 ", ""))[1:]:
        below = found.get_command(click.Context(found), word) if isinstance(found, click.Group) else None
        if below is None:
            break
        words, found = [*words, word], below
    return " ".join(words), found


def _is_a_name(command: str) -> bool:
    """`soak baseline` in a sentence is no command line: it lacks what it cannot do without."""
    path, found = path_of(command)
    return command == path and (isinstance(found, click.Group) or any(param.required for param in found.params))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """A service with twelve nights in its store, the third of them its baseline."""
    stage = Stage.make(tmp_path_factory.mktemp("shown") / "stage", configured=True, name=NAME)
    with open_store(f"sqlite:///{stage.folder}/soak.db") as store:
        for number in range(RUNS):
            run = make_run(store, Plan(cycles=4, interval=2.0, version=f"1.{number}"), NAME)
            store.write(run, [AnalysisRow(1.0, compute(store, run))])
        store.set_baseline(3, "baseline")
    shutil.copy(stage.folder / "soak.toml", stage.folder / "service.toml")
    return stage


@pytest.fixture
def stage(prepared: Stage, tmp_path: Path) -> Stage:
    """A copy of it: no command finds what another one left."""
    folder = tmp_path / "stage"
    shutil.copytree(prepared.folder, folder)
    return Stage(folder, prepared.port, prepared.web)


def test_every_command_has_its_shape() -> None:
    """What is shown is looked at: a new command needs its entry in SHAPES."""
    assert {path_of(command)[0] for command in shown()} <= {*SHAPES, *DAEMON}


@pytest.mark.parametrize("command", [command for command in shown() if not path_of(command)[0].startswith(DAEMON)])
def test_a_command_in_the_text_works(command: str, stage: Stage, timed: Timed) -> None:
    """It ends with 0 or a verdict, prints what it should, and writes the file that it names."""
    path, _ = path_of(command)
    if path == "soak init":
        (stage.folder / "soak.toml").unlink()
    with timed("in the text", command):
        done = stage.run(filled_in(command))
    said = done.require()
    words = shlex.split(command)
    files = [word for word in words if word in FILES]
    for file in files:
        text = (stage.folder / file).read_text(encoding="utf-8")
        assert json.loads(text) if file.endswith("json") or "..." in words else "<html" in text
    if "-q" in words or (files and "-o" in words):
        assert not said.strip()
    elif "--json" in words and not files:
        assert json.loads(said)
    elif "html" in words:
        assert "<html" in said
    else:
        assert re.search(SHAPES[path], said), said


def test_the_daemon_and_who_asks_it(stage: Stage, timed: Timed) -> None:
    """Each way to start it that is shown, and while it runs each way to ask it; SIGTERM ends it with 0."""
    asks = [command for command in shown() if path_of(command)[0] == "soak status"]
    daemons = [command for command in ("soak daemon", *shown()) if path_of(command)[0] == "soak daemon"]
    for daemon in dict.fromkeys(daemons):
        with timed("in the text", daemon):
            _ask(stage, filled_in(daemon), asks, timed).require()


def _ask(stage: Stage, daemon: str, asks: list[str], timed: Timed) -> Done:
    """Start it, wait until it answers, ask it; --watch goes on until Ctrl-C."""
    script = [f"{daemon} & daemon=$!", "until soak status; do sleep 1; done"]
    for ask in asks:
        if "--watch" in ask:
            # In the background a shell has Ctrl-C ignored; this one has it again, and it is pressed when a line came.
            heeding = (
                "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execvp('soak', sys.argv[1:])"
            )
            script += ["watched() {", f'rm -f said; python -c "{heeding}" {ask} 2>said & watch=$!']
            script += ["until test -s said; do sleep 0.2; done; kill -INT $watch; wait $watch; }"]
            ask = "watched"
        script += [f"until {ask}; do sleep 1; done"]  # a daemon that has to wait for its turn is asked again
    return stage.run("\n".join([*script, "kill $daemon", "wait $daemon"]))


def test_a_copy_of_the_store_is_one(stage: Stage, timed: Timed) -> None:
    """The backup that operations.md shows; by the same function of SQLite's library where its program is not there."""
    if shutil.which("sqlite3") is None:
        pytest.skip("the program sqlite3 is not installed here")
    with timed("operations.md, in the text", 'sqlite3 soak.db ".backup copy.db"'):
        stage.run('sqlite3 soak.db ".backup copy.db"').require()
    assert stage.run("soak runs --store sqlite:///copy.db").require().count(NAME) == RUNS


@pytest.mark.parametrize(
    "line",
    [
        pytest.param('eval "$(_SOAK_COMPLETE=bash_source soak)"', id="bash"),
        pytest.param('eval "$(_SOAK_COMPLETE=zsh_source soak)"', id="zsh"),
        pytest.param("_SOAK_COMPLETE=fish_source soak | source", id="fish"),
    ],
)
def test_completion_can_be_sourced(line: str, stage: Stage, timed: Timed) -> None:
    """By bash, as it stands; for other shells, which need not be here, the script that they would source is printed."""
    script = line if "bash" in line else re.sub(r".*(_SOAK_COMPLETE=\w+ soak).*", r"\1", line)
    with timed("reference-commands.md, in a table", line):
        said = stage.run(script).require()
    assert "bash" in line or "_soak_completion" in said, said
