"""`soak check`: the verdict as exit code and one line: the gate of a nightly job."""

from __future__ import annotations

import sys

import click

from soak.commands import Globals


@click.command()
@click.argument("run", type=int, required=False)
@click.pass_context
def command(context: click.Context, run: int | None) -> int:
    """Give the verdict of RUN (default: the latest) as exit code and one line of text.

    leak and failed 1, inconclusive 3, error 4, clean 0; 4 when there is no run.
    """
    from soak.leftovers import close_cut_off
    from soak.report.github import announce
    from soak.report.stored import load_or_compute
    from soak.report.text import verdict_line
    from soak_storage import open_store

    options: Globals = context.obj
    with open_store(options.store_url(), create=False) as store:
        close_cut_off(store)
        report = load_or_compute(store, run)
    if not options.quiet:
        click.echo(verdict_line(report))
        announce(report, sys.stdout)
    return int(report["exit_code"])
