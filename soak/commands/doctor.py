"""`soak doctor`: what works here and for this target, and the mend for what does not."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from soak.commands import Globals
from soak.errors import EXIT_CLEAN, EXIT_ERROR

if TYPE_CHECKING:
    from soak.config import Config
    from soak.doctor.finding import Finding

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red", "skip": "bright_black"}
_SQLITE = "sqlite:///"


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_obj
def command(options: Globals, as_json: bool) -> int:
    """Say what works here and for this target, and how to mend what does not.

    Looks at the machine; with a soak.toml also at the target (without starting it), asks each [[check]] once, and
    looks at the plan: can these limits be decided in these cycles? Ends with 0 unless something fails, then with 4.
    """
    from soak.doctor.finding import Finding, worst

    config = _config(options)
    findings = _examine(config, options)
    if config is None:
        findings.append(Finding("target", "configuration", "skip", "there is no soak.toml here", "soak init"))
    if as_json:
        answer = {"schema": "soak.doctor/1", "result": worst(findings), "findings": [f.to_json() for f in findings]}
        click.echo(json.dumps(answer, indent=2))
    else:
        for finding in findings:
            _print(finding)
    return EXIT_ERROR if worst(findings) == "fail" else EXIT_CLEAN


def _config(options: Globals) -> Config | None:
    """The configuration; None when none was named and none is here."""
    from soak.config import DEFAULT_FILE

    if options.config is None and not Path(DEFAULT_FILE).exists():
        return None
    return options.load_config()


def _examine(config: Config | None, options: Globals) -> list[Finding]:
    from soak.doctor import machine

    url = config.storage.url if config else options.store_url()
    store = Path(url.removeprefix(_SQLITE)).parent if url.startswith(_SQLITE) else None
    if config is None:
        return machine.examine(machine.Machine(store=store))
    from soak.doctor import dependencies, plan, target

    found = machine.examine(machine.Machine(in_flight=config.load.max_in_flight, store=store))
    found += target.examine(config.target, config.agent)
    return [*found, *dependencies.examine(config), *plan.examine(config)]


def _print(finding: Finding) -> None:
    """One line, and the mend under it where there is one."""
    result = click.style(f"{finding.result:<4}", fg=_COLOURS[finding.result])
    click.echo(f"{result}  {finding.area:<8} {finding.name:<12} {finding.what}")
    if finding.mend and finding.result != "ok":
        click.echo(f"{'':28}mend: {finding.mend}")
    sys.stdout.flush()
