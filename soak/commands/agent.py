"""`soak agent export`: the agent alone, for a target's own image or environment."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import click

from soak.commands import examples
from soak.errors import SoakError, UsageError

PACKAGES = ("soak_agent", "soak_heap")  # the heap sampler is found beside the agent
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", "build.py")

_HOW = """\
The agent is in {folder}: standard library only, CPython 3.9 to 3.14 on Linux. Two ways to put it into a target:

1. Without touching the target's code, by its environment:

   PYTHONPATH={folder}/soak_agent/bootstrap SOAK_AGENT_DIR=/run/soak-agent python app.py

2. From the target's code, with {folder} on its path:

   import soak_agent
   soak_agent.start("/run/soak-agent")

SOAK_AGENT_DIR is a folder that the target and soak both see, of one user; it is made with mode 0700.
Leave it out and both use their default. Then attach: [target] pid = ... (or port, unit, container).
"""


@click.group("agent")
def command() -> None:
    """Export the agent for a target's own image or environment."""


@command.command("export", epilog=examples("soak agent export vendor"))
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), metavar="DIR")
def export(folder: Path) -> None:
    """Copy the agent and its heap sampler into DIR, which must be new or empty, and say how to use them."""
    if folder.exists() and any(folder.iterdir()):
        raise UsageError("folder_exists", path=folder)
    for name in PACKAGES:
        shutil.copytree(_source(name), folder / name, ignore=_LEFT_OUT)
    text = _HOW.format(folder=folder.resolve())
    (folder / "README.txt").write_text(text, encoding="utf-8")
    click.echo(text)


def _source(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise SoakError("agent_missing", name=name)
    return Path(spec.origin).parent
