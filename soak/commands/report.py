"""`soak report`: the findings of a stored run, in any format."""

from __future__ import annotations

from pathlib import Path

import click

from soak.commands import Globals, writing
from soak.report.formats import FORMATS, render


@click.command()
@click.argument("run", type=int, required=False)
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True, help="How to show it.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to FILE, not to stdout.")
@click.option("--full", is_flag=True, help="Text: every site, and the series of single processes too.")
@click.option("--fresh", is_flag=True, help="Judge the stored samples again.")
@click.pass_obj
def command(options: Globals, run: int | None, form: str, output: Path | None, full: bool, fresh: bool) -> None:
    """Show the findings of RUN (default: the latest). Ends with 0 when it could be shown."""
    from soak.leftovers import close_cut_off
    from soak.report.stored import load_or_compute
    from soak_storage import open_store

    with open_store(options.store_url(), create=False) as store:
        close_cut_off(store)
        report = load_or_compute(store, run, fresh=fresh)
    if form == "text" and output is None:
        from rich.console import Console

        from soak.report.text import render_text

        render_text(report, Console(), full=full)
        return
    text = render(report, form)
    if output is None:
        click.echo(text, nl=False)
    else:
        with writing(output):
            output.write_text(text, encoding="utf-8")
