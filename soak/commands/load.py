"""`soak load`: the load alone, for latency and capacity."""

from __future__ import annotations

import json
import select
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from soak.commands import DURATION, Globals, check_writable, writing
from soak.errors import EXIT_CLEAN, EXIT_INTERRUPTED

if TYPE_CHECKING:
    from soak.config import Config
    from soak.load import LoadGenerator, LoadPlan
    from soak.load.summary import Summary

LEAD_S = 0.5  # the workers take about that long to start
FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("load")
@click.option("--dry-run", is_flag=True, help="Only say and draw what would be sent.")
@click.option("--cycles", type=click.IntRange(1), help="How many cycles, instead of load.cycles.")
@click.option("--cycle", type=DURATION, help="Length of a cycle, instead of load.cycle.")
@click.option("--json", "json_file", type=FILE, help="Write counts and latencies as JSON.")
@click.pass_obj
def command(options: Globals, dry_run: bool, cycles: int | None, cycle: float | None, json_file: Path | None) -> int:
    """Send the configured load and nothing else: no samples, no verdict, nothing stored.

    A target that answers already is used as it is; otherwise target.command is started for as long as the load
    lasts. Progress goes to stderr, the table to stdout. Exit code: 0, or 130 when it was interrupted.
    """
    from soak.load import LoadPlan
    from soak.load.text import described_plan, table

    config = options.load_config(cycle=cycle, cycles=cycles)
    plan = LoadPlan.from_config(config)
    plan.check()
    if json_file is not None:
        check_writable(json_file)
    if dry_run:
        click.echo(described_plan(plan))
        return EXIT_CLEAN
    with _target(config):
        summary, generator, interrupted = _drive(plan, _Progress(bool(options.quiet)))
    if json_file is not None:
        with writing(json_file):
            json_file.write_text(json.dumps(summary.to_json(generator.capacity), indent=2) + "\n", encoding="utf-8")
    click.echo(table(summary))
    if generator.capacity is not None:
        click.echo(generator.capacity.sentence())
    return EXIT_INTERRUPTED if interrupted else EXIT_CLEAN


@contextmanager
def _target(config: Config) -> Iterator[None]:
    """The target as it runs, or started from its command for the time being."""
    from soak.launch.readiness import Endpoint
    from soak.target import make_target

    settings = config.target
    if not settings.command or (settings.url and Endpoint.of(settings.url).accepts()):
        yield
        return
    target = make_target(settings)
    with tempfile.TemporaryDirectory(prefix="soak-load-") as folder:
        target.start(Path(folder), {})
        try:
            target.wait_ready()
            yield
        finally:
            target.stop()


def _drive(plan: LoadPlan, progress: _Progress) -> tuple[Summary, LoadGenerator, bool]:
    """Run the plan to its end or to the first signal."""
    from soak.load import LoadGenerator
    from soak.load.summary import Summary
    from soak.signals import StopSignals

    summary = Summary(plan)
    generator = LoadGenerator(plan)
    with StopSignals() as signals:
        zero = time.monotonic() + LEAD_S
        generator.start(zero)
        try:
            while generator.running and not signals.received:
                _wait(generator)
                summary.add(generator.poll())
                progress.tell(summary, time.monotonic() - zero)
            generator.stop(plan.timeout + 1.0)
            summary.add(generator.poll())
        finally:
            generator.close()
            progress.close()
    return summary, generator, signals.received


def _wait(generator: LoadGenerator) -> None:
    try:
        select.select([generator], [], [], 1.0)
    except InterruptedError:  # a signal: the loop looks at its flag
        return


class _Progress:
    """One line that changes on a terminal, a line per cycle elsewhere, nothing when quiet."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._cycle = -1

    def tell(self, summary: Summary, now: float) -> None:
        """Say how it goes at `now` seconds."""
        from soak.load.text import status_line

        cycle = int(max(now, 0.0) // summary.plan.cycle)
        if self._quiet or (cycle == self._cycle and not self._terminal):
            return
        self._cycle = cycle
        line = status_line(summary, now)
        click.echo(f"\r\x1b[K{line}" if self._terminal else f"soak: {line}", nl=not self._terminal, err=True)

    def close(self) -> None:
        """Leave the line."""
        if self._terminal and not self._quiet:
            click.echo("", err=True)
