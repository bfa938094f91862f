"""`soak status`: what the daemon is doing now."""

from __future__ import annotations

import json
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import click

from soak.commands import Globals
from soak.errors import EXIT_ERROR

if TYPE_CHECKING:
    from soak.config import Config

TIMEOUT = 3.0  # seconds
LAST = 3  # runs shown
_ON_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 -- asked here, not listened on


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print what the daemon says as JSON.")
@click.option("-w", "--watch", is_flag=True, help="Go on until Ctrl-C: the curve of the run, its troughs, its verdict.")
@click.pass_obj
def command(options: Globals, as_json: bool, watch: bool) -> int:
    """Say what the daemon is doing now: cycle, phase, next start, last verdicts.

    Asks the daemon at web.listen of the configuration. Exit code: 0 when it answers and is healthy or degraded, 4 when
    it is unhealthy or does not answer; the store is read in the last case.
    """
    config = options.load_config()
    if watch:
        if as_json:
            raise click.UsageError("--watch is for eyes, --json for programs: choose one.")
        from soak.commands.watch import follow

        return follow(lambda path: _ask(config, path), config.web.listen)
    answer = _ask(config, "/api/status")
    if as_json:
        click.echo(json.dumps(answer or _stored(config), indent=2))
    elif answer is not None:
        show(answer)
    else:
        click.echo(f"No daemon answers at {config.web.listen}.", err=True)
        _show_runs(config, _stored(config))
    return 0 if answer is not None and answer["health"]["status"] != "unhealthy" else EXIT_ERROR


def _ask(config: Config, path: str) -> dict[str, Any] | None:
    """What the daemon answers; None when none does. SoakError when it refuses the token."""
    import http.client

    from soak.errors import SoakError
    from soak.web.address import address_of

    host, port = address_of(config.web.listen)
    connection = http.client.HTTPConnection(_ON_ANY.get(host, host), port, timeout=TIMEOUT)
    headers = {"Authorization": f"Bearer {config.web.token}"} if config.web.token else {}
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        if answer.status == HTTPStatus.UNAUTHORIZED:
            raise SoakError("web_token", listen=config.web.listen)
        found = json.loads(answer.read()) if answer.status == 200 else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return found if isinstance(found, dict) else None


def _stored(config: Config) -> dict[str, Any]:
    """What the store says when no daemon does."""
    import socket

    from soak.errors import SoakError
    from soak_storage import open_store
    from soak_storage.jobs import Jobs

    try:
        with open_store(config.storage.url, create=False) as store:
            runs = store.runs(LAST, name=config.target.name)
            jobs = Jobs(store, socket.gethostname()).all()
    except SoakError:
        runs, jobs = [], []
    shown = [{"run": run.id, "started": run.started, "status": run.status, "verdict": run.verdict} for run in runs]
    due = next((job.next_due for job in jobs if job.name == config.target.name), None)
    return {"phase": "not running", "next_start": due, "runs": shown}


def show(answer: dict[str, Any]) -> None:
    """What the daemon does now, in a few lines."""
    click.echo(answer["sentence"])
    run = answer["run"]
    if run is not None:
        memory = f", rss {run['rss'] / 2**20:.1f} MB" if run["rss"] else ""
        click.echo(
            f"  {run['requests']} requests, {run['errors']} errors{memory}; verdict so far: {run['verdict'] or '-'}"
        )
    if answer["next_start"] is not None:
        click.echo(f"  next start {_when(answer['next_start'])}")
    if answer["last"] is not None:
        last = answer["last"]
        click.echo(
            f"  last: run {last['run_id']} {last['verdict']}, ended {_when(last['ended'])} {last['message']}".rstrip()
        )
    health = answer["health"]
    checks = ", ".join(f"{name} {state}" for name, state in health["target"]["checks"].items())
    click.echo(f"  soak is {health['status']}" + (f"; checks: {checks}" if checks else ""))
    for trouble in health["troubles"]:
        click.echo(f"  {trouble}")


def _show_runs(config: Config, stored: dict[str, Any]) -> None:
    if stored["next_start"] is not None:
        click.echo(f"A daemon would start next at {_when(stored['next_start'])}.")
    for run in stored["runs"]:
        click.echo(f"run {run['run']} {_when(run['started'])} {run['status']} {run['verdict'] or ''}".rstrip())


def _when(wall: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(wall))
