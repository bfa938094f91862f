"""`soak compare`: two runs, or one with its baseline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from soak.commands import Globals
from soak.errors import SoakError, UsageError


@click.command()
@click.argument("a", type=int)
@click.argument("b", type=int, required=False)
@click.option("--p50", type=click.FloatRange(0), default=10.0, show_default=True, help="Percent it may rise.")
@click.option("--p99", type=click.FloatRange(0), default=20.0, show_default=True, help="Percent it may rise.")
@click.option("--memory", type=click.FloatRange(0), default=5.0, show_default=True, help="Percent floors may rise.")
@click.option("--errors", type=click.FloatRange(0), default=0.1, show_default=True, help="Percentage points more.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--html", "page", type=click.Path(dir_okay=False, path_type=Path), help="Write it as one HTML file too.")
@click.pass_obj
def command(
    options: Globals,
    a: int,
    b: int | None,
    p50: float,
    p99: float,
    memory: float,
    errors: float,
    as_json: bool,
    page: Path | None,
) -> int:
    """Compare run A with the later run B; run A alone with the baseline of its target.

    Ends with 0 when B is within the tolerances and has no new finding, with 1 when it is worse.
    """
    from rich.console import Console

    from soak.leftovers import close_cut_off
    from soak.report.compare import Tolerances, compare
    from soak.report.compare_text import render_compare
    from soak.report.stored import load_or_compute
    from soak_storage import open_store

    with open_store(options.store_url(), create=False) as store:
        close_cut_off(store)
        after = load_or_compute(store, a if b is None else b)
        if b is None:
            name = after["run"]["name"]
            marked = [run.id for run in store.runs(name=name) if run.baseline and run.id != a]
            if not marked and any(run.id == a and run.baseline for run in store.runs(name=name)):
                raise SoakError("only_baseline", run=a, name=name)
            if not marked:
                raise SoakError("no_baseline", name=name, run=a)
        else:
            marked = [a]
        before = [load_or_compute(store, run) for run in marked]
    if any(report["run"]["name"] != after["run"]["name"] for report in before):
        raise UsageError("other_target", a=before[0]["run"]["name"], b=after["run"]["name"])
    result = compare(before, after, Tolerances(p50 / 100, p99 / 100, memory / 100, errors / 100))
    if page is not None:
        _write(page, result, before, after)
    if as_json:
        click.echo(json.dumps(result, indent=1, ensure_ascii=False))
    else:
        render_compare(result, Console())
    return int(result["exit_code"])


def _write(page: Path, result: dict[str, Any], before: list[dict[str, Any]], after: dict[str, Any]) -> None:
    """Both curves in one picture, and the tables."""
    from soak.report.compare_html import render_compare_html

    try:
        page.write_text(render_compare_html(result, before, after), encoding="utf-8")
    except OSError as error:
        raise SoakError("report_not_written", file=page, why=error.strerror, run=after["run"]["id"]) from error
