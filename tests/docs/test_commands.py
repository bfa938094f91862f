"""Every command shown in README.md and docs/ exists, and those marked `sh run` work as they stand."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from soak.cli import cli
from tests.common import free_port
from tests.docs.blocks import ROOT, Block, blocks, documents, runnable

CONFIGURATION = """\
[target]
name = "service"
command = [{python!r}, "-m", "uvicorn", "app:app", "--port", "{port}"]
url = "http://127.0.0.1:{port}"

[load]
cycle = "2s"
cycles = 3
quiet = "700ms"
low = 5
high = 20

[[scenario]]
name = "work"
path = "/work"

[schedule]
every = "1h"

[web]
listen = "127.0.0.1:{web}"
"""
# A verdict of 1 or 3 is an answer like any other: three cycles of two seconds are not here to find anything.
WRAPPER = """\
#!/bin/bash
case " $* " in *" run "* | *" check "* | *" compare "*)
    {soak} "$@" || {{ code=$?; case "$code" in 1 | 3) exit 0 ;; esac; exit "$code"; }} ;;
*) exec {soak} "$@" ;;
esac
"""
WEB = free_port()
SHORT = (  # what is written for a night is run in seconds
    (re.compile(r"--cycles \d+"), "--cycles 3"),
    (re.compile(r"--cycle \d+\w+"), "--cycle 2s"),
    (re.compile(r"127\.0\.0\.1:8765"), f"127.0.0.1:{WEB}"),
)
RUNNABLE = [path for path in documents() if runnable(path)]


def lines(block: Block) -> Iterator[str]:
    """Its commands: continued lines joined, comments gone; of `console` those after the prompt."""
    for line in block.text.replace("\\\n", " ").splitlines():
        command = re.sub(r"(^|\s)#.*$", "", line).strip()
        if block.info[0] == "console":
            command = command.removeprefix("$ ") if command.startswith("$ ") else ""
        if command:
            yield command


def calls() -> Iterator[tuple[str, list[str]]]:
    """(place, words after `soak`) of every call, in blocks and in the running text."""
    for path in documents():
        for found in re.findall(r"`(?:\w+=\S+ )?soak ([a-z][^`\n]*)`", path.read_text(encoding="utf-8")):
            yield path.name, found.split()
        for block in (*blocks(path, "sh"), *blocks(path, "console")):
            for line in lines(block):
                for part in re.split(r"&&|\|\||;|\|", line):
                    words = [word for word in part.split() if not re.match(r"^[A-Z_]+=", word)]
                    if words and words[0].rpartition("/")[2] == "soak":
                        yield block.place, words[1:]


def test_every_command_and_option_shown_exists() -> None:
    """Also in blocks that are not executed: the command is there, and so is each of its options."""
    seen = 0
    for place, words in calls():
        seen += 1
        command: click.Command = cli
        known = {name for param in cli.params for name in param.opts}
        with click.Context(cli, info_name="soak") as context:
            for word in words:
                name = word.partition("=")[0]
                if word.startswith("-"):
                    known |= {name for param in command.params for name in param.opts} | {"-h", "--help"}
                    assert name in known, f"{place}: {' '.join(words)}: no option {name}"
                elif isinstance(command, click.Group) and (below := command.get_command(context, word)) is not None:
                    command = below
        assert command is not cli or {"--version", "--help", "-h"} & set(words), f"{place}: {' '.join(words)}"
    assert seen >= 60


def test_every_block_of_commands_is_executed() -> None:
    """By this file, or by the test that it names, in which (or in .ci/run) each of its commands stands."""
    for path in documents():
        for block in (*blocks(path, "sh"), *blocks(path, "console"), *blocks(path, "bash"), *blocks(path, "shell")):
            by = next((word.removeprefix("ran-by=") for word in block.info if word.startswith("ran-by=")), None)
            assert by or "run" in block.info[1:], f"{block.place}: nothing executes this block"
            text = (ROOT / by).read_text() + (ROOT / ".ci/run").read_text() if by else ""
            for command in lines(block) if by else ():
                assert command.startswith("cd ") or command in text, f"{block.place}: {by} does not run {command}"


def prepare(folder: Path, path: Path) -> None:
    """A project with the tiny target and the examples; its configuration, unless the document makes one itself."""
    shutil.copy(Path(__file__).with_name("app.py"), folder)
    if not any("soak init" in block.text for block in runnable(path)):
        filled = CONFIGURATION.format(python=sys.executable, port=free_port(), web=WEB)
        (folder / "soak.toml").write_text(filled)
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns(".venv", "node_modules"))
    programs = folder / "bin"
    programs.mkdir()
    (programs / "soak").write_text(WRAPPER.format(soak=f"{sys.executable} -P -m soak"))
    (programs / "soak").chmod(0o755)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("path", RUNNABLE, ids=lambda path: path.name)
def test_runnable_blocks_work(path: Path, tmp_path: Path) -> None:
    """Executed in the order of the document, in one folder; the first that fails is named with its output."""
    prepare(tmp_path, path)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SOAK_")}
    env = {**clean, "PATH": f"{tmp_path}/bin:{Path(sys.executable).parent}:{clean['PATH']}"}
    for block in runnable(path):
        script = block.text
        for pattern, instead in SHORT:
            script = pattern.sub(instead, script)
        done = subprocess.run(
            ["bash", "-euc", script],
            cwd=tmp_path,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, (
            f"{block.place} ended with {done.returncode}:\n{script}\n{done.stdout}{done.stderr}"
        )
