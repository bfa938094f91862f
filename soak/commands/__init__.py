"""One file per subcommand, each with a click command object named `command`; here is what they share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from soak.config import Config
    from soak.errors import SoakError


@dataclass(slots=True)
class Globals:
    """The options that every command takes, before or after its name; commands get it by `click.pass_obj`."""

    config: Path | None = None
    store: str | None = None
    verbose: int = 0
    quiet: bool = False
    log_format: str = "text"

    def load_config(
        self, *, cycle: float | None = None, cycles: int | None = None, url_is_enough: bool = False
    ) -> Config:
        """The configuration that -c names, with --store and what else the command line says put in."""
        from soak.config import Overrides, load_config

        overrides = Overrides(cycle=cycle, cycles=cycles, store=self.store)
        return load_config(self.config, overrides=overrides, url_is_enough=url_is_enough)

    def store_url(self) -> str:
        """The store that --store names, else that of the configuration, else soak.db in this folder."""
        from soak.config import store_option, store_url

        return store_option(self.store, Path.cwd()) if self.store else store_url(self.config)

    def configure_log(self) -> None:
        """Set up soak's own log as -v, -q and --log-format say; without them warnings go to stderr as they are."""
        from soak.log import configure

        configure(verbose=self.verbose, quiet=self.quiet, log_format=self.log_format)


def duration(text: str | float) -> float:
    """The type of options that take 60s or 1h30m: seconds, or a usage error with examples."""
    from soak.config import parse_duration

    if isinstance(text, float):
        return text
    try:
        return parse_duration(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a duration such as 250ms, 90s, 5m or 1h30m") from None


DURATION = duration


def examples(*lines: str) -> str:
    """An epilog for a help text that click leaves in its lines."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def check_writable(file: Path) -> None:
    """UsageError before anything is started, when `file` could not be written at the end of it."""
    from soak.errors import UsageError

    if not file.parent.is_dir():
        raise UsageError("no_folder", path=file.parent, file=file)
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise UsageError("not_writable", file=file)


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """What the system refuses while `place` is written is a UsageError with its reason, and no fault of soak."""
    from soak.errors import UsageError

    try:
        yield
    except OSError as error:
        raise UsageError("not_written", file=error.filename or place, why=error.strerror or error) from error


def tell(error: SoakError) -> None:
    """One message and the next step, on stderr."""
    click.echo(f"{click.style('soak:', fg='red')} {error.message}", err=True)
    if error.next_step:
        click.echo(f"  {error.next_step}", err=True)
