"""Every command shown in README.md and docs/ exists, and those marked `sh run` work as they stand."""

from __future__ import annotations

import ast
import importlib.util
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from soak.cli import cli
from tests.docs.blocks import ROOT, SHELLS, blocks, documents, fences, lines, outside, runnable
from tests.docs.conftest import Timed
from tests.docs.elsewhere import RUN_BY
from tests.docs.stage import Stage
from tests.docs.stored import check_export

RUNNABLE = [path for path in documents() if runnable(path)]
LANGUAGES = {*SHELLS, "text", "toml", "python"}
LEFT = {  # what the blocks of a document leave in the folder
    "README.md": ("soak.toml", "soak.db"),
    "getting-started.md": ("soak.toml", "soak.db"),
    "load.md": ("load.json",),
    "operations.md": ("soak.db", "out/runs.csv", "out/report-1.json"),
    "tuning.md": ("soak.xml", "soak.sarif", "summary.md", "vendor/soak_agent/__init__.py"),
}
VERDICT = re.compile(r"^(LEAK|FAILED|ERROR|INCONCLUSIVE|CLEAN)  \S+: ", re.M)


def calls() -> Iterator[tuple[str, list[str]]]:
    """(place, words) of every call of soak, in blocks and in the running text."""
    shown = [(path.name, line) for path in documents() for line in outside(path)]
    fenced = [(block.place, line) for path in documents() for block in blocks(path, *SHELLS) for line in lines(block)]
    for place, line in (*shown, *fenced):
        for part in re.split(r"&&|\|\||;|\|", line):
            words = [word for word in part.split() if not re.match(r"^_?[A-Z_]+=", word)]
            if words and words[0].rpartition("/")[2] == "soak" and "_SOAK_COMPLETE" not in part:
                yield place, words


def test_every_command_and_option_shown_exists() -> None:
    """The command is there, and so is each of its options."""
    seen = 0
    for place, words in calls():
        seen += 1
        command: click.Command = cli
        known = {name for param in cli.params for name in param.opts}
        with click.Context(cli, info_name="soak") as context:
            for word in words[1:]:
                name = word.partition("=")[0]
                if word.startswith("-"):
                    known |= {name for param in command.params for name in param.opts} | {"-h", "--help"}
                    assert name in known, f"{place}: {' '.join(words)}: no option {name}"
                elif isinstance(command, click.Group) and (below := command.get_command(context, word)) is not None:
                    command = below
        assert command is not cli or {"--version", "--help", "-h"} & set(words), f"{place}: {' '.join(words)}"
    assert seen >= 60


def test_every_fence_is_known() -> None:
    """No block in a language that no test here looks at, and none that is not found because of how it is fenced."""
    for path in documents():
        found = list(fences(path))
        assert {block.info[:1] and block.info[0] for block in found} <= LANGUAGES, path.name
        marks = re.findall(r"^\s*(?:```|~~~)", path.read_text(encoding="utf-8"), re.M)
        assert len(marks) == 2 * len(found), f"{path.name}: a fence that is indented, open or made of tildes"


def test_every_block_of_commands_is_executed() -> None:
    """By this file, or by the test that it names, or by .ci/run."""
    for path in documents():
        for block in blocks(path, *SHELLS):
            assert block.by or "run" in block.info[1:], f"{block.place}: nothing executes this block"
            ran = called(block.by) | called(".ci/run") if block.by else set(lines(block))
            missing = set(lines(block)) - ran
            assert not missing, f"{block.place}: {block.by} does not run {missing}"


def test_every_command_outside_of_blocks_is_executed() -> None:
    """`soak` commands by test_lines.py, others by the test in elsewhere.py."""
    shown = {command for path in documents() for command in outside(path)}
    others = {command for command in shown if not re.match(r"(?:LEAK=1 )?soak ", command)}
    assert others - set(RUN_BY) == set(), "a test has to run them: name it in elsewhere.py"
    assert set(RUN_BY) <= shown, "no document shows these any more"
    for command, file in RUN_BY.items():
        if file.startswith(("tests/", ".ci/")) and command != "soak demo":
            assert command in called(file), f"{file} does not run {command}"


def test_what_is_named_is_there() -> None:
    """Modules that the documents name can be imported by that name and know the options shown."""
    for path in documents():
        for command in outside(path):
            words = command.split()
            if words[:2] == ["python", "-m"]:
                spec = importlib.util.find_spec(words[2])
                assert spec is not None and spec.origin is not None, command
                main = (
                    Path(spec.origin).with_name("__main__.py") if spec.submodule_search_locations else Path(spec.origin)
                )
                options = [word for word in words[3:] if word.startswith("--")]
                assert all(f'"{option}"' in main.read_text(encoding="utf-8") for option in options), command
            if words[0] == "make":
                assert f"\n{words[1]}:" in (ROOT / "Makefile").read_text(encoding="utf-8"), command


def called(file: str) -> set[str]:
    """Every text that stands as the first argument of a call in that file; of a script, its lines."""
    if not file.endswith(".py"):
        return set((ROOT / file).read_text(encoding="utf-8").splitlines())
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    firsts = [node.args[0] for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
    return {first.value for first in firsts if isinstance(first, ast.Constant) and isinstance(first.value, str)}


def test_what_is_left_is_known() -> None:
    """A document with commands needs its entry here."""
    assert {path.name for path in RUNNABLE} == set(LEFT)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("path", RUNNABLE, ids=lambda path: path.name)
def test_runnable_blocks_work(path: Path, tmp_path: Path, timed: Timed) -> None:
    """Executed in the order of the document, in one folder; the first that fails is named with its output."""
    makes_its_own = any("soak init" in block.text for block in runnable(path))
    stage = Stage.make(tmp_path, configured=not makes_its_own)
    for block in runnable(path):
        with timed(block.place, "; ".join(lines(block))):
            said = stage.run(block.text).require()
        if re.search(r"\bsoak (run|report|check)\b", block.text):
            assert VERDICT.search(said), said
    for name in LEFT[path.name]:
        assert (tmp_path / name).stat().st_size > 0, name
    if (tmp_path / "soak.toml").exists():
        assert tomllib.loads((tmp_path / "soak.toml").read_text())["target"]["url"].endswith(f":{stage.port}")
    if (tmp_path / "out").exists():
        check_export(tmp_path / "out")
