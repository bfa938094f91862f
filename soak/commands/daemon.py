"""`soak daemon`: the service."""

from __future__ import annotations

import click

from soak.commands import Globals


@click.command("daemon")
@click.pass_obj
def command(options: Globals) -> int:
    """Run soaks on the schedule of the configuration until SIGTERM.

    The first SIGTERM or Ctrl-C ends a soak that is going on in order: what was sampled is judged and reported. The
    second ends it at once. SIGHUP reads the configuration again; one with problems is refused and the old one stays.
    """
    from soak.daemon import Daemon

    if not options.quiet:
        options.verbose = max(options.verbose, 1)  # a service says what it does
    options.configure_log()
    return Daemon(options.load_config).run()
