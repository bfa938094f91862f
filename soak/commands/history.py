"""`soak history`: the growth per run over many nights, and since when it is what it is."""

from __future__ import annotations

import json
from typing import Any

import click

from soak.commands import Globals
from soak.report.units import rate
from soak.report.words import plain


@click.command()
@click.option("--name", help="Of this target (default: that of the latest run).")
@click.option("-n", "--limit", type=click.IntRange(1), default=100, show_default=True, help="Only the newest N runs.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.pass_obj
def command(options: Globals, name: str | None, limit: int, as_json: bool) -> None:
    """Show the growth per run as a series, and the run and version of the target in which a growth began."""
    from soak.leftovers import close_cut_off
    from soak.report.history import history
    from soak_storage import open_store

    with open_store(options.store_url(), create=False) as store:
        close_cut_off(store)
        wanted = name or store.run(None).name
        runs = [run.id for run in store.runs(limit, name=wanted) if run.status != "running"]
        stored = [store.latest_analysis(run) for run in runs]
    result = history(report for report in stored if report is not None)
    click.echo(json.dumps(result, indent=1, ensure_ascii=False) if as_json else "\n".join(_lines(wanted, result)))


def _lines(name: str, result: dict[str, Any]) -> list[str]:
    from soak.report.spark import spark

    if not result["series"]:
        return [f"No run of {plain(name)} has been judged yet: `soak run` makes one."]
    lines = [f"{plain(name)}: growth per run, oldest first, {len(result['runs'])} runs"]
    for series in result["series"]:
        values = [point["growth_per_hour"] for point in series["points"]]
        last = rate(values[-1], series["unit"])
        lines.append(f"{series['name']:12} {spark(values)}  latest {last}")
        if series["change"]:
            lines.append(f"{'':12} {_since(series['change'], series['unit'])}")
    return lines


def _since(change: dict[str, Any], unit: str) -> str:
    """When it changed, and between which versions to look."""
    old, new = rate(change["before_per_hour"], unit), rate(change["after_per_hour"], unit)
    text = f"since run {change['run']}: {new}, {old} before"
    if change["version"] and change["version"] != change["version_before"]:
        text += f"; look between {plain(change['version_before'] or '?')[:12]} and {plain(change['version'])[:12]}"
    return text
