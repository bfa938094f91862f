"""`soak runs`: the stored runs, a line each. Nothing is computed and no numpy loads: a thousand runs are quick."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from soak.commands import Globals
from soak.report.units import duration, moment
from soak.report.words import plain

if TYPE_CHECKING:
    from soak_storage.records import RunSummary

_HEAD = ("run", "started (UTC)", "verdict", "status", "took", "name", "version")
_WIDTHS = (5, 16, 12, 11, 7, 20)


@click.command()
@click.option("-n", "--limit", type=click.IntRange(1), help="Only the newest N.")
@click.option("--name", help="Only the runs of this target.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object per line.")
@click.pass_obj
def command(options: Globals, limit: int | None, name: str | None, as_json: bool) -> None:
    """List the stored runs, newest first."""
    from soak_storage import open_store

    with open_store(options.store_url(), create=False) as store:
        runs = store.runs(limit, name=name)
        if any(run.status == "running" for run in runs):
            from soak.leftovers import close_cut_off  # looks at processes: not loaded for runs that have all ended

            close_cut_off(store)
            runs = store.runs(limit, name=name)
    if as_json:
        lines = [json.dumps(asdict(run)) for run in runs]
    elif runs:
        lines = [_line(_HEAD), *(_line(_cells(run)) for run in runs)]
    else:
        lines = [f"No run{f' of {name}' if name else ''} is stored yet: `soak run` makes one."]
    click.echo("\n".join(lines))


def _cells(run: RunSummary) -> tuple[str, ...]:
    mark = f" [{run.baseline}]" if run.baseline else ""
    return (
        str(run.id),
        moment(run.started)[:16].replace("T", " "),
        run.verdict or "-",
        run.status,
        duration(run.duration_s),
        plain(run.name),
        plain((run.version or "")[:12]) + mark,
    )


def _line(cells: tuple[str, ...]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=False)]
    return " ".join([*padded, *cells[len(_WIDTHS) :]]).rstrip()
