"""A comparison for a terminal: 80 columns, readable without colour."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from soak.report.units import amount, interval, rate, short
from soak.report.words import plain

_SIDES = ("before", "after")


def render_compare(result: dict[str, Any], console: Console) -> None:
    """Print what is worse first, then growth, levels and findings."""
    console.print(Text(headline(result), "bold red" if result["exit_code"] else "bold green"), highlight=False)
    if result["series"]:
        console.print(_growths(result["series"]), highlight=False)
    if result["figures"]:
        console.print(_figures(result["figures"]), highlight=False)
    for kind in ("new", "known", "gone"):
        for finding in result["findings"][kind]:
            console.print(Text(f"{kind.upper():5} {finding['fingerprint']}  {plain(finding['message'])}"))


def headline(result: dict[str, Any]) -> str:
    """One line: which runs, and what is worse."""
    old = ", ".join(_name(run) for run in result["before"])
    said = "; ".join(plain(one) for one in result["worse"]) or "within the tolerances, nothing new"
    return f"{result['verdict'].upper()}  run {_name(result['after'])} against {old}: {said}"


def _name(run: dict[str, Any]) -> str:
    return f"{run['id']} ({plain(run['version'])[:12]})" if run["version"] else str(run["id"])


def _growths(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("growth/h of", no_wrap=True)
    for name in ("before", "after", "difference", "95 % interval"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    for row in rows:
        unit = row["unit"]
        cells = [rate(row[key], unit).removesuffix("/h") for key in ("before", "after", "difference_per_hour")]
        table.add_row(row["name"], *cells, interval(row["ci95"], unit), "differs" if row["sure"] else "")
    return table


def _figures(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("level of", no_wrap=True)
    for name in ("before", "after", "change", "allowed"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    for row in rows:
        values = [f"{short(row[key])} ms" if row["unit"] == "ms" else amount(row[key], row["unit"]) for key in _SIDES]
        change = f"{'+' if row['change'] > 0 else ''}{short(row['change'] * 100)} %"
        allowed = f"+{short(row['allowed'] * 100)} %"
        table.add_row(row["name"], *values, change, allowed, "" if row["within"] else "WORSE")
    return table
