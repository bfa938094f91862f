"""The reference of commands, as Markdown and as a man page, from the commands themselves.

python -m soak.cli_reference [--man] > docs/reference-commands.md
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from datetime import date

import click

from soak import __version__
from soak.cli import COMMANDS, cli
from soak.doctor import dependencies, machine, plan, target

_GLOBAL = ("-c", "--store", "-v", "-q", "--log-format", "--version")
_INTRODUCTION = """\
# Reference: commands

Generated from the code by `python -m soak.cli_reference`; a test keeps it current.

Every command takes these options, before or after its name; each has its `SOAK_` environment variable:
"""
EXIT_CODES = {
    0: "clean; or the command did what it was asked",
    1: "leak, or another limit was broken; `soak compare`: worse",
    2: "usage or configuration",
    3: "inconclusive: not enough cycles to decide",
    4: "error: the soak could not be carried out; `soak doctor`: something fails",
    130: "interrupted by the user; what was sampled is kept, judged and reported",
    141: "whoever read the output went away before its end, such as `head`",
}
_COMPLETION = """\
## Shell completion

| shell | put this line into |
|---|---|
| bash | `~/.bashrc`: `eval "$(_SOAK_COMPLETE=bash_source soak)"` |
| zsh | `~/.zshrc`: `eval "$(_SOAK_COMPLETE=zsh_source soak)"` |
| fish | `~/.config/fish/completions/soak.fish`: `_SOAK_COMPLETE=fish_source soak \\| source` |
"""


def markdown() -> str:
    """docs/reference-commands.md."""
    parts = [_INTRODUCTION, _options([option for option in cli.params if option.opts[0] in _GLOBAL]), ""]
    for path, command in commands():
        parts += [f"## {path}", "", _help(command), "", f"    {_usage(path, command)}", ""]
        own = [param for param in command.params if param.opts[0] not in _GLOBAL]
        parts += [_options(own), ""] if own else []
        mine = _examples(path)
        parts += [*(f"    {line}" for line in mine), ""] if mine else []
    parts += ["## Exit codes", "", "| code | meaning |", "|---|---|"]
    parts += [*(f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()), "", _checks(), _COMPLETION]
    return "\n".join(parts)


def man_page(day: date) -> str:
    """soak(1) in man(7) macros."""
    lines = [f'.TH SOAK 1 "{day.isoformat()}" "soak {__version__}" "User Commands"', ".SH NAME"]
    lines += ["soak \\- long-running soak tests that find leaks and name the line", ".SH SYNOPSIS"]
    lines += [".B soak", "[OPTIONS] COMMAND [ARGS]...", ".SH DESCRIPTION", _roff(cli.help or ""), ".SH OPTIONS"]
    lines += [*_man_options([option for option in cli.params if option.opts[0] in _GLOBAL]), ".SH COMMANDS"]
    for path, command in commands():
        own = [param for param in command.params if param.opts[0] not in _GLOBAL]
        lines += [f".SS {_roff(_usage(path, command))}", _roff(_help(command)), *_man_options(own)]
        if mine := _examples(path):
            lines += [".PP", ".RS", ".nf", *map(_roff, mine), ".fi", ".RE"]
    lines.append(".SH EXIT STATUS")
    for code, meaning in EXIT_CODES.items():
        lines += [".TP", f".B {code}", _roff(meaning)]
    return "\n".join([*lines, ""])


def commands() -> Iterator[tuple[str, click.Command]]:
    """("soak db prune", command) for every command, those of groups below them."""
    context = click.Context(cli, info_name="soak")
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        yield f"soak {name}", command
        if isinstance(command, click.Group):
            yield from ((f"soak {name} {below}", item) for below, item in command.commands.items())


def _examples(path: str) -> list[str]:
    """The examples of one command, without those of the commands below its neighbours."""
    return [line for line in COMMANDS[path.split()[1]].examples if line.startswith(path)]


def _help(command: click.Command) -> str:
    return inspect.cleandoc(command.help or "").replace("\b\n", "").partition("\f")[0].strip()


def _usage(path: str, command: click.Command) -> str:
    context = click.Context(command, info_name=path)
    return " ".join([path, *command.collect_usage_pieces(context)])


def _options(params: list[click.Parameter]) -> str:
    rows = [row for param in params if (row := _record(param)) is not None]
    if not rows:
        return ""
    cells = [f"| `{_cell(names)}` | {_cell(meaning)} |" for names, meaning in rows]
    return "\n".join(["| option | meaning |", "|---|---|", *cells])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _record(param: click.Parameter) -> tuple[str, str] | None:
    """Names and meaning of an option, as its help shows them; None for arguments and hidden options."""
    return param.get_help_record(click.Context(click.Command("soak")))


def _man_options(params: list[click.Parameter]) -> Iterator[str]:
    for param in params:
        row = _record(param)
        if row is not None:
            yield from (".TP", f".B {_roff(row[0])}", _roff(row[1]))


def _roff(text: str) -> str:
    """Text with what roff would take for its own escaped: backslashes, dashes, dots and quotes at a line's start."""
    safe = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line or ".PP" for line in safe.splitlines())


def _checks() -> str:
    lines = ["## Checks of `soak doctor`", "", "| area | check | what it looks at |", "|---|---|---|"]
    lines += [f"| machine | {name} | {doc} |" for name, (doc, _) in machine.CHECKS.items()]
    lines += [f"| target | {name} | {doc} |" for name, doc in target.CHECKS.items()]
    lines += [f"| checks | {name} | {doc} |" for name, doc in dependencies.CHECKS.items()]
    lines += [f"| plan | {name} | {doc} |" for name, doc in plan.CHECKS.items()]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.stdout.write(man_page(date.today()) if "--man" in sys.argv else markdown())
