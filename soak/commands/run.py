"""`soak run`: one soak in the foreground."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from soak.commands import DURATION, Globals, check_writable, tell
from soak.errors import EXIT_ERROR, EXIT_INTERRUPTED, SoakError, UsageError

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("run")
@click.option("--cycles", type=click.IntRange(1), help="How many cycles, instead of load.cycles.")
@click.option("--cycle", type=DURATION, help="Length of a cycle, instead of load.cycle.")
@click.option("--json", "json", type=FILE, help="Write the report as JSON.")
@click.option("--html", "html", type=FILE, help="Write it as one HTML file.")
@click.option("--junit", "junit", type=FILE, help="Write it as JUnit XML.")
@click.option("--sarif", "sarif", type=FILE, help="Write it as SARIF.")
@click.option("--markdown", "markdown", type=FILE, help="Write it as Markdown.")
@click.pass_obj
def command(options: Globals, /, cycles: int | None, cycle: float | None, **files: Path | None) -> int:
    """Run one soak: start or attach, cycle, analyse, report.

    Progress goes to stderr, the report to stdout. Ctrl-C ends the run in order: what was sampled is judged.
    Exit code: 0 clean, 1 leak or another limit broken, 3 inconclusive, 4 could not be carried out, 130 interrupted.
    """
    from soak.commands.progress import progress_for
    from soak.report.github import announce
    from soak.session import run_soak

    wanted = {form: file for form, file in files.items() if file is not None}
    _check_files(wanted)
    config = options.load_config(cycle=cycle, cycles=cycles)
    progress = progress_for(quiet=bool(options.quiet))
    for note in config.notes:
        progress.message(f"note: {note}")
    try:
        outcome = run_soak(config, progress=progress)
    finally:
        progress.close()
    unwritten = _write(outcome.report, wanted)
    if outcome.failure is None or outcome.report["series"]:  # else the message says it all
        _print(outcome.report)
    announce(outcome.report, sys.stdout)
    if outcome.failure is not None:
        tell(outcome.failure)
    elif outcome.exit_code == EXIT_INTERRUPTED and not options.quiet:
        click.echo(f"Interrupted; what was sampled is kept: `soak report {outcome.run_id}`.", err=True)
    for error in unwritten:
        tell(error)
    return EXIT_ERROR if unwritten else outcome.exit_code


def _check_files(files: Mapping[str, Path]) -> None:
    """Refuse before the night and not after it: a format that is not there, a folder that is not there."""
    from soak.report.formats import FORMATS

    for form, file in files.items():
        if form not in FORMATS:
            raise UsageError("format_not_yet", form=form, known=", ".join(FORMATS))
        check_writable(file)


def _write(report: dict[str, Any], files: Mapping[str, Path]) -> list[SoakError]:
    """Write what was asked for; what could not be written must not cost the other files, or the report itself."""
    from soak.report.formats import render

    failed = []
    for form, file in files.items():
        try:
            file.write_text(render(report, form), encoding="utf-8")
        except OSError as error:
            failed.append(SoakError("report_not_written", file=file, why=error.strerror, run=report["run"]["id"]))
    return failed


def _print(report: dict[str, Any]) -> None:
    from rich.console import Console

    from soak.report.text import render_text

    render_text(report, Console())
