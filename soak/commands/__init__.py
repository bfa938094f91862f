"""One file per subcommand, each with a click command object named `command`; here is what they share."""

from __future__ import annotations

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


def tell(error: SoakError) -> None:
    """One message and the next step, on stderr."""
    click.echo(f"{click.style('soak:', fg='red')} {error.message}", err=True)
    if error.next_step:
        click.echo(f"  {error.next_step}", err=True)
