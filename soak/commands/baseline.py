"""`soak baseline`: marks the run, or the runs, that later ones are compared with."""

from __future__ import annotations

import click

from soak.commands import Globals
from soak.report.units import plural

LABEL = "baseline"


@click.command()
@click.argument("runs", metavar="RUN...", type=int, nargs=-1, required=True)
@click.option("--remove", is_flag=True, help="Take the mark back instead.")
@click.pass_obj
def command(options: Globals, runs: tuple[int, ...], remove: bool) -> None:
    """Mark RUN as the baseline of its target, in place of the one that was.

    Several runs are a baseline together: `soak compare` takes their mean, which is steadier than one night.
    """
    from soak_storage import open_store

    with open_store(options.store_url(), create=False) as store:
        infos = [store.run(run) for run in runs]
        if remove:
            for info in infos:
                store.set_baseline(info.id, None)
        else:
            for old in store.runs():
                if old.baseline and old.name in {info.name for info in infos}:
                    store.set_baseline(old.id, None)
            for number, info in enumerate(infos, 1):
                store.set_baseline(info.id, LABEL if number == 1 else f"{LABEL}-{number}")
    if not options.quiet:
        done = "no longer a baseline" if remove else "the baseline"
        click.echo(f"{plural(len(infos), 'run')} of {infos[0].name} {'is' if len(infos) == 1 else 'are'} {done}.")
