"""`soak db`: care of the store. Every action says how large it was before and is after."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from soak.commands import DURATION, Globals, writing
from soak.report.units import amount

if TYPE_CHECKING:
    from soak_storage import Store

RETAIN = 90 * 86400.0
FORMATS = ("csv", "jsonl")


@click.group()
def command() -> None:
    """Take care of the store: bring its schema up to date, delete old runs, give back room, export."""


@command.command()
@click.pass_obj
def upgrade(options: Globals) -> None:
    """Bring the schema of the store up to date; other commands do that by themselves when they open it."""
    from soak_storage.care import upgrade_store

    change = upgrade_store(options.store_url())
    if change.before == change.after:
        click.echo(f"{change.url} is up to date: schema {change.after}, {amount(change.size_after, 'bytes')}.")
    else:
        sizes = f"{amount(change.size_before, 'bytes')} -> {amount(change.size_after, 'bytes')}"
        click.echo(f"{change.url}: schema {change.before} -> {change.after}, {sizes}.")


@command.command()
@click.option(
    "--older-than", type=DURATION, help="Delete runs that ended longer ago (default: storage.retain, or 90d)."
)
@click.option("--run", "runs", type=int, multiple=True, help="Delete this run, however old; may be given again.")
@click.option("--thin-after", type=DURATION, help="Thin samples older than this into buckets (default: 14d).")
@click.option("--dry-run", is_flag=True, help="Say what would go, and leave it there.")
@click.pass_obj
def prune(
    options: Globals, older_than: float | None, runs: tuple[int, ...], thin_after: float | None, dry_run: bool
) -> None:
    """Delete old runs and thin old samples.

    Runs that are going on and baselines are kept; a daemon may go on writing meanwhile. With --run only that run goes,
    also where it is a baseline.
    """
    from soak.places import forget_run_folder
    from soak_storage import retention

    now = time.time()
    with _opened(options, quiet=dry_run) as store:
        due = [store.run(run).id for run in runs] if runs else None
        retain = _retain(options) if older_than is None else older_than
        going = retention.due_runs(store, now - retain) if due is None else due
        if dry_run:
            click.echo(f"Would delete {_counted(going)}.")
            return
        marked = retention.mark_for_deletion(store, going)
        raw = retention.RAW_SECONDS if thin_after is None else thin_after
        url = options.store_url()
        work = retention.Retention(store, retain=retain, raw=raw, deleted=lambda run: forget_run_folder(url, run))
        if due is None:
            work.run(now)
        else:
            work.finish()
        click.echo(f"Deleted {marked} run(s){_kept(len(going) - marked)}.")


@command.command()
@click.pass_obj
def vacuum(options: Globals) -> None:
    """Rewrite the store without its free pages. An SQLite store is locked meanwhile: not while a soak runs."""
    from soak_storage import care

    with _opened(options) as store:
        care.vacuum(store.engine)


@command.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--format", "form", type=click.Choice(FORMATS), default="csv", show_default=True)
@click.option("--run", "runs", type=int, multiple=True, help="Only this run; may be given again.")
@click.pass_obj
def export(options: Globals, folder: Path, form: str, runs: tuple[int, ...]) -> None:
    """Write the store into FOLDER: a file per table, and the report of each run as JSON."""
    from soak_storage import open_store
    from soak_storage.export import export as write

    with open_store(options.store_url(), create=False) as store, writing(folder):
        counts = write(store, folder, form, runs)
    size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
    for name, count in counts.items():
        click.echo(f"{count:>12,} {name}")
    click.echo(f"{amount(size, 'bytes')} in {folder}.")


@contextmanager
def _opened(options: Globals, *, quiet: bool = False) -> Iterator[Store]:
    """The store; afterwards its size before and after."""
    from soak_storage import care, open_store

    with open_store(options.store_url(), create=False) as store:
        before = care.size(store.engine)
        yield store
    if not quiet:  # only now: closing moves what the -wal file holds into the database
        sizes = f"{amount(before, 'bytes')} -> {amount(care.size(store.engine), 'bytes')}"
        click.echo(f"{store.url}: {sizes}.")


def _retain(options: Globals) -> float:
    """How long the configuration keeps runs, where there is one."""
    if options.config is None and not Path("soak.toml").exists():
        return RETAIN
    return options.load_config().storage.retain


def _counted(runs: list[int]) -> str:
    return f"{len(runs)} run(s): {', '.join(map(str, runs))}" if runs else "no run"


def _kept(count: int) -> str:
    return f"; {count} still going on was kept" if count else ""
