"""`soak init`: a commented soak.toml for the project in this folder."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from soak.commands import Globals
from soak.errors import UsageError

if TYPE_CHECKING:
    from soak.onboard.project import Candidate
    from soak.onboard.template import Answers
    from soak.onboard.trial import Trial

MOST_SCENARIOS = 5


@click.command("init")
@click.option("-y", "--yes", is_flag=True, help="Ask nothing: take what was found.")
@click.option("--command", "start", metavar="COMMAND", help="How the service is started.")
@click.option("--url", help="Where it answers, such as http://127.0.0.1:8000.")
@click.option("--ready", metavar="PATH", help="Path that answers below 500 when it is up.")
@click.option("--path", "paths", multiple=True, metavar="PATH", help="Path to request; may be given several times.")
@click.option("--name", help="Name of the target in reports (default: that of the folder).")
@click.option("--try/--no-try", "trying", default=None, help="Start it once to see which paths answer.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write (default: soak.toml).")
@click.pass_obj
def command(
    options: Globals,
    yes: bool,
    start: str | None,
    url: str | None,
    ready: str | None,
    paths: tuple[str, ...],
    name: str | None,
    trying: bool | None,
    output: Path | None,
) -> None:
    """Write a commented soak.toml for the project in this folder.

    Looks for uvicorn, gunicorn, Flask, Django, aiohttp, Celery, a Procfile, package.json and a compose file, starts
    what it found once to see where it listens and which paths answer, and writes scenarios that run as they stand.
    Asks on a terminal; with --yes, or without a terminal, it takes what it found. It never overwrites a file.
    """
    from soak.onboard.template import Answers, render

    file = output or options.config or Path("soak.toml")
    if file.exists():
        raise UsageError("file_exists", path=file)
    asking = not yes and sys.stdin.isatty()
    folder = file.resolve().parent
    candidate = _chosen(folder, start, url, asking)
    wanted = trying if trying is not None else bool(candidate.command) and (not asking or _ask_to_try())
    trial = _tried(candidate, folder, paths) if wanted and candidate.command else None
    found = Answers(
        what=candidate.what,
        name=name or folder.name or "target",
        url=url or _url_of(candidate, trial),
        command=candidate.command,
        container=candidate.container,
        cwd=candidate.cwd,
        env=candidate.env,
        ready=ready or _ready(trial),
        paths=paths or _paths(candidate, trial),
        notes=(*candidate.notes, *_failure(trial)),
    )
    answers = _asked(found) if asking else found
    with file.open("x", encoding="utf-8") as stream:
        stream.write(render(answers))
    click.echo(f"Wrote {file}. Next: soak doctor, then soak run --cycles 3 --cycle 20s")


def _chosen(folder: Path, start: str | None, url: str | None, asking: bool) -> Candidate:
    """The command that was given, else the first that was found, else (on a terminal) the one that is typed."""
    from soak.onboard.detect import candidates, free_port, likely_paths
    from soak.onboard.project import Candidate

    port = urlsplit(url).port if url else None
    if start:
        return Candidate("the command given", tuple(shlex.split(start)), port or free_port(), likely_paths(()))
    found = candidates(folder)
    for number, item in enumerate(found, 1):
        click.echo(f"{number}. {item.what}: {shlex.join(item.command) or item.container}", err=True)
    if asking and len(found) > 1:
        number = click.prompt("Which one", type=click.IntRange(1, len(found)), default=1, err=True)
        return found[number - 1]
    if found:
        return found[0]
    if not asking:
        raise UsageError("nothing_found", folder=folder)
    typed = click.prompt("Nothing was recognised. Command that starts the service", err=True)
    return Candidate("the command given", tuple(shlex.split(typed)), port or free_port(), likely_paths(()))


def _ask_to_try() -> bool:
    return click.confirm("Start it once, for a few seconds, to see which paths answer", default=True, err=True)


def _tried(candidate: Candidate, folder: Path, paths: Sequence[str]) -> Trial:
    from soak.onboard.trial import try_out

    click.echo(f"Trying it: {shlex.join(candidate.command)}", err=True)
    trial = try_out(replace(candidate, paths=tuple(paths) or candidate.paths), folder)
    if trial.failed:
        click.echo(f"It did not start: {trial.failed}\n{trial.log}", err=True)
    else:
        click.echo(f"It listens on port {trial.port}; {len(trial.answering)} path(s) answer.", err=True)
    return trial


def _url_of(candidate: Candidate, trial: Trial | None) -> str | None:
    port = trial.port if trial and trial.port else candidate.port
    return f"http://127.0.0.1:{port}" if port else None


def _ready(trial: Trial | None) -> str | None:
    from soak.onboard.detect import ready_path

    return ready_path(list(trial.answering)) if trial else None


def _paths(candidate: Candidate, trial: Trial | None) -> tuple[str, ...]:
    """What answered, without the health path while there is other work; before a trial, the first of the likely."""
    from soak.onboard.detect import HEALTH

    if trial is None or not trial.answering:
        return candidate.paths[:1]
    work = tuple(path for path in trial.answering if path not in HEALTH)
    return (work or trial.answering)[:MOST_SCENARIOS]


def _failure(trial: Trial | None) -> tuple[str, ...]:
    if trial is None:
        return ("It was not tried: the scenarios below are guesses.",)
    if trial.failed:
        return (f"When tried it did not start: {trial.failed}.",)
    streams = tuple(f'{path} is an event stream: a scenario with kind = "sse" drives it.' for path in trial.streams)
    return (
        streams if trial.answering else (*streams, "No page that was tried answered below 400: put in one that does.")
    )


def _asked(answers: Answers) -> Answers:
    """The same with what the person at the terminal says."""
    name = click.prompt("Name in reports", default=answers.name, err=True)
    url = click.prompt("URL", default=answers.url or "", err=True) or None
    listed = click.prompt("Paths to request", default=" ".join(answers.paths), err=True)
    return replace(answers, name=name, url=url, paths=tuple(listed.split()))
