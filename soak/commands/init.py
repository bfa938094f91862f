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

from soak.commands import Globals, check_writable, writing
from soak.errors import UsageError

if TYPE_CHECKING:
    from soak.onboard.project import Candidate
    from soak.onboard.template import Answers
    from soak.onboard.trial import Trial

MOST_SCENARIOS, MOST_SAID = 5, 8


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
    Paths that need a value, a login or a body are named in the file as left out; an OpenAPI document is used.
    Asks on a terminal; with --yes, or without a terminal, it takes what it found. It never overwrites a file.
    """
    from soak.onboard.template import Answers, render

    file = output or options.config or Path("soak.toml")
    if file.exists():
        raise UsageError("file_exists", path=file)
    check_writable(file)
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
        notes=(*candidate.notes, *_failure(trial, paths)),
        left_out=_left_out(candidate, trial, paths),
    )
    answers = _asked(found) if asking else found
    with writing(file), file.open("x", encoding="utf-8") as stream:
        stream.write(render(answers))
    click.echo(
        f"Wrote {file}. Next: soak doctor, then soak run --cycles 3 --cycle 20s to try it; "
        "a first verdict takes --cycles 8 --cycle 60s"
    )


def _chosen(folder: Path, start: str | None, url: str | None, asking: bool) -> Candidate:
    """The command that was given, else the first that was found, else (on a terminal) the one that is typed."""
    from soak.onboard.detect import GUESSES, candidates, free_port
    from soak.onboard.project import Candidate

    port = urlsplit(url).port if url else None
    if start:
        return Candidate("the command given", tuple(shlex.split(start)), port or free_port(), guesses=GUESSES)
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
    return Candidate("the command given", tuple(shlex.split(typed)), port or free_port(), guesses=GUESSES)


def _ask_to_try() -> bool:
    return click.confirm("Start it once, for a few seconds, to see which paths answer", default=True, err=True)


def _tried(candidate: Candidate, folder: Path, paths: Sequence[str]) -> Trial:
    from soak.onboard.trial import try_out

    click.echo(f"Trying it: {shlex.join(candidate.command)}", err=True)
    asked = replace(candidate, paths=tuple(paths), closed={}) if paths else candidate
    trial = try_out(asked, folder)
    if trial.failed:
        click.echo(f"It did not start: {trial.failed}\n{trial.log}", err=True)
    elif trial.port is None:
        click.echo("It runs, and has no URL.", err=True)
    else:
        click.echo(f"It listens on port {trial.port}; {len(trial.answering)} path(s) answer.", err=True)
        for path, why in list(trial.left_out.items())[:MOST_SAID]:
            click.echo(f"  {'sent as asked' if path in paths else 'left out'}: {path} {why}", err=True)
        if len(trial.left_out) > MOST_SAID:
            click.echo(f"  and {len(trial.left_out) - MOST_SAID} more that are left out", err=True)
        if any(path not in paths for path in trial.left_out):
            click.echo("  What is not requested does not leak: --path PATH sends one all the same.", err=True)
    return trial


def _url_of(candidate: Candidate, trial: Trial | None) -> str | None:
    port = trial.port if trial and trial.port else candidate.port
    return f"http://127.0.0.1:{port}" if port else None


def _ready(trial: Trial | None) -> str | None:
    from soak.onboard.detect import ready_path

    return ready_path(list(trial.answering)) if trial else None


def _paths(candidate: Candidate, trial: Trial | None) -> tuple[str, ...]:
    """What answered; before a trial, the first of the likely."""
    if trial is None or not trial.answering:
        return (*candidate.paths, "/")[:1]
    return _work(trial)[:MOST_SCENARIOS]


def _left_out(candidate: Candidate, trial: Trial | None, paths: Sequence[str]) -> dict[str, str]:
    """What is served and gets no scenario, with the reason; also pages beyond the first few."""
    if trial is None or trial.failed:
        return dict(candidate.closed)
    rest = dict.fromkeys([] if paths else _work(trial)[MOST_SCENARIOS:], "answers; five scenarios are enough to begin")
    return {path: why for path, why in {**rest, **trial.left_out}.items() if path not in paths}


def _work(trial: Trial) -> tuple[str, ...]:
    """The pages that answered, without the health path while there is other work."""
    from soak.onboard.detect import HEALTH

    return tuple(path for path in trial.answering if path not in HEALTH) or trial.answering


def _failure(trial: Trial | None, paths: Sequence[str]) -> tuple[str, ...]:
    """What has to be known of the trial: none was made, it failed, or what was asked for by name did not answer."""
    if trial is None:
        return ("It was not tried: the scenarios below are guesses.",)
    if trial.failed:
        return (f"When tried it did not start: {trial.failed}.",)
    notes = [f'{path} is an event stream: a scenario with kind = "sse" drives it.' for path in trial.streams]
    notes += [
        f"{path} {trial.left_out[path]}. It is sent all the same, as asked." for path in paths if path in trial.left_out
    ]
    if not trial.answering and trial.port is not None:
        notes.append("No page that was tried answered below 400: put in one that does.")
    return tuple(notes)


def _asked(answers: Answers) -> Answers:
    """The same with what the person at the terminal says."""
    name = click.prompt("Name in reports", default=answers.name, err=True)
    url = click.prompt("URL", default=answers.url or "", err=True) or None
    listed = click.prompt("Paths to request", default=" ".join(answers.paths), err=True)
    return replace(answers, name=name, url=url, paths=tuple(listed.split()))
