"""The `soak` command: global options, subcommands that load when they are called, errors in one place."""

from __future__ import annotations

import difflib
import importlib
import os
import select
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import click

from soak import __version__
from soak.commands import Globals, examples, tell
from soak.errors import EXIT_ERROR, EXIT_INTERRUPTED, EXIT_USAGE, SoakError

_OF_THE_LOG = ("verbose", "quiet", "log_format")
EXIT_BROKEN_PIPE = 141  # what a shell reports for a writer whose reader went away


@dataclass(frozen=True, slots=True)
class Entry:
    """A subcommand: the one line that `soak --help` shows and the examples at the end of its own help."""

    help: str
    examples: tuple[str, ...]


COMMANDS: dict[str, Entry] = {
    "demo": Entry(
        "Soak the bundled target leaky and clean, and print both reports.",
        ("soak demo", "soak demo --keep demo-out"),
    ),
    "init": Entry(
        "Write a commented soak.toml for the project in this folder.",
        ("soak init", "soak init --yes", "soak init --command 'python app.py' --url http://127.0.0.1:8000"),
    ),
    "doctor": Entry(
        "Say what works here and for this target, and how to mend what does not.",
        ("soak doctor", "soak doctor -c soak.toml --json"),
    ),
    "run": Entry(
        "Run one soak: start or attach, cycle, analyse, report.",
        ("soak run", "soak run --cycles 8 --cycle 60s --json report.json", "soak run -c service.toml --html soak.html"),
    ),
    "daemon": Entry(
        "Run as a service: soaks on the schedule until SIGTERM.",
        ("soak daemon", "soak daemon -c /etc/soak/soak.toml --log-format json"),
    ),
    "status": Entry("Say what the daemon is doing now.", ("soak status", "soak status --watch", "soak status --json")),
    "runs": Entry("List the stored runs.", ("soak runs", "soak runs --store sqlite:///soak.db")),
    "report": Entry(
        "Show the findings of a stored run.",
        ("soak report", "soak report 12 --format json -o report.json"),
    ),
    "check": Entry("Give the verdict of a run as exit code: the CI gate.", ("soak check", "soak check 12 -q")),
    "baseline": Entry("Mark the run that later ones are compared with.", ("soak baseline 12", "soak baseline 3 4 5")),
    "compare": Entry(
        "Compare two runs, or one with the baseline of its target.",
        ("soak compare 12", "soak compare 3 12 --memory 5 --html compare.html"),
    ),
    "history": Entry(
        "Show the growth of a target over many runs, and where it began.",
        ("soak history", "soak history --name orders-api"),
    ),
    "load": Entry(
        "Run the load alone, for latency and capacity.",
        ("soak load", "soak load --dry-run", "soak load --json load.json"),
    ),
    "db": Entry(
        "Take care of the store: upgrade, prune, vacuum, export.",
        ("soak db upgrade", "soak db prune", "soak db vacuum", "soak db export out"),
    ),
    "agent": Entry(
        "Export the agent for a target's own image or environment.",
        ("soak agent export vendor", "soak agent export --wheel dist"),
    ),
}


class LazyGroup(click.Group):
    """Lists subcommands from the table above and imports one only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names in the order of the table: the first steps come first."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The subcommand from `soak.commands.<name>`, with the global options and its examples added."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command: click.Command = importlib.import_module(f"soak.commands.{cmd_name}").command
        command.short_help = entry.help
        command.epilog = command.epilog or examples(*entry.examples)
        for name, below in getattr(command, "commands", {}).items():
            mine = [line for line in entry.examples if line.startswith(f"soak {cmd_name} {name}")]
            below.epilog = below.epilog or (examples(*mine) if mine else None)
        _add_global_options(command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of subcommands, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but an unknown name is answered with the nearest known one."""
        name = args[0]
        if name not in COMMANDS:
            close = difflib.get_close_matches(name, COMMANDS, 1)
            hint = f" Did you mean `soak {close[0]}`?" if close else ""
            ctx.fail(f"There is no command {name!r}.{hint}")
        return super().resolve_command(ctx, args)


def _remember(attribute: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    """A callback that keeps an option in the Globals when somebody chose it."""

    def callback(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        source = ctx.get_parameter_source(param.name or "")
        typed = source is click.core.ParameterSource.COMMANDLINE
        # Below the root the environment does not count: it would undo what was typed before the subcommand.
        if typed or (source is click.core.ParameterSource.ENVIRONMENT and ctx.parent is None):
            options = ctx.find_root().ensure_object(Globals)
            setattr(options, attribute, value)
            if attribute in _OF_THE_LOG:
                options.configure_log()

    return callback


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(f"soak {__version__}")
        ctx.exit()


def _global_options() -> list[click.Option]:
    """Fresh option objects: before the subcommand and after it are two places, with one meaning."""

    def option(names: Sequence[str], attribute: str, **facts: Any) -> click.Option:
        parameter = f"global_{attribute}"
        return click.Option(
            [*names, parameter],
            expose_value=False,
            callback=_remember(attribute),
            envvar=f"SOAK_{attribute.upper()}",
            show_envvar=True,
            **facts,
        )

    return [
        option(
            ("-c", "--config"), "config", type=click.Path(path_type=Path), help="Configuration (default: soak.toml)."
        ),
        option(("--store",), "store", metavar="URL", help="Store: a URL or an SQLite file."),
        option(("-v", "--verbose"), "verbose", count=True, help="Say more; twice: everything."),
        option(("-q", "--quiet"), "quiet", is_flag=True, help="Say only what was asked for."),
        option(("--log-format",), "log_format", type=click.Choice(["text", "json"]), help="Form of soak's own log."),
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_print_version,
            help="Print the version and end.",
        ),
    ]


def _add_global_options(command: click.Command) -> None:
    """Give a subcommand, and what is below it, the global options that it does not have already."""
    taken = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
    command.params.extend(option for option in _global_options() if not taken.intersection(option.opts))
    if isinstance(command, click.Group):
        for below in command.commands.values():
            _add_global_options(below)


@click.command(
    "soak",
    cls=LazyGroup,
    params=list(_global_options()),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=examples("soak demo", "soak init", "soak run --cycles 8 --cycle 60s", "soak report --format json"),
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Long-running soak tests: drives a service in cycles of load, finds what leaks, names the line."""
    ctx.ensure_object(Globals)
    if os.environ.get("NO_COLOR"):
        ctx.color = False


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and end the process with its exit code."""
    if args is None and "daemon" in sys.argv:
        from soak.footprint import without_thread_caches

        without_thread_caches()
    sys.exit(exit_code(args))


def exit_code(args: Sequence[str] | None = None) -> int:
    """Run the command line; every way to end becomes one message and the exit code of the contract."""
    stdout = sys.stdout
    try:
        return _ended(args)
    except BrokenPipeError:
        pass
    except SystemExit:
        # Where a pipe is broken click puts something in front of stdout and ends with 1, which means "leak".
        if sys.stdout is stdout:
            raise
    if _is_unread():
        # The interpreter flushes stdout once more at its end; with nothing behind it that would be a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return EXIT_BROKEN_PIPE
    click.echo("soak: a pipe to one of its own processes broke: a fault in soak; please report it.", err=True)
    return EXIT_ERROR


def _ended(args: Sequence[str] | None) -> int:
    try:
        result = cli.main(args=None if args is None else list(args), prog_name="soak", standalone_mode=False)
        if sys.stdout is not None:  # it was closed before soak began
            sys.stdout.flush()
    except SoakError as error:
        tell(error)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return EXIT_USAGE
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        raise
    except Exception:  # noqa: BLE001 -- an uncaught one would end with 1, which means "leak"
        _tell_of_a_bug()
        return EXIT_ERROR
    return result if isinstance(result, int) else 0


def _is_unread() -> bool:
    """Whether stdout or stderr goes where nobody reads any more."""
    poll = select.poll()
    for fd in (1, 2):
        poll.register(fd, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _tell_of_a_bug() -> None:
    import traceback

    traceback.print_exc()
    click.echo(
        "soak: this is a fault in soak itself, not in your target; please report it with the lines above.", err=True
    )
