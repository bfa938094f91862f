"""The report for a terminal: a person has two minutes. Readable at 80 columns and without colour."""

from __future__ import annotations

import re
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from soak.report.facts import facts_of, head_facts, shown_sites, site_facts, unexplained
from soak.report.observer_text import agent_notes, observer_line
from soak.report.service_text import service_lines
from soak.report.units import amount, interval, plural, rate, share, short
from soak.report.words import (
    TITLES,
    frame_name,
    kept_rate,
    meaning,
    plain,
    site_name,
)

COLOURS = {"leak": "bold red", "failed": "bold red", "error": "bold magenta", "inconclusive": "bold yellow"}
CLEAN = "bold green"
RETAINERS_SHOWN = 3  # functions that fill one container
WIDEST = 100
NARROW = 70  # columns: below that the table of series has no room for all of its figures
LEFT_WHEN_NARROW = ("growth/h", "limit/h")


def render_text(report: dict[str, Any], console: Console, *, full: bool = False) -> None:
    """Print `report`; `full` adds the series of single processes and of kinds, and every site."""
    console.width = min(console.width, WIDEST)
    with console.capture() as captured:
        for part in (_head(report), *_findings(report, full), _series(report, full, console.width), *_rest(report)):
            if part is not None:
                console.print(part, highlight=False, soft_wrap=False)
                console.print()
        for step in report.get("next_steps", []):
            console.print(Text(f"Next: {plain(step)}", "bold"))
    # rich fills lines up to the width, which makes diffs and copied text ugly
    text = re.sub(r"[ \t]+$", "", captured.get(), flags=re.MULTILINE)
    console.file.write(text.encode(console.encoding, "replace").decode(console.encoding))


def verdict_line(report: dict[str, Any]) -> str:
    """The verdict with its numbers, in one line."""
    return f"{report['verdict'].upper()}  {plain(report['run']['name'])}: {plain(report.get('summary', ''))}"


def _head(report: dict[str, Any]) -> RenderableType:
    style = COLOURS.get(report["verdict"], CLEAN)
    word, _, rest = verdict_line(report).partition("  ")
    return Group(Text.assemble((word, style), "  ", (rest, "bold")), Text(" · ".join(head_facts(report["run"])), "dim"))


def _findings(report: dict[str, Any], full: bool) -> list[RenderableType]:
    return [_finding(number, one, full) for number, one in enumerate(report["findings"], 1)]


def _finding(number: int, finding: dict[str, Any], full: bool) -> RenderableType:
    title = TITLES.get(finding["kind"], finding["kind"])
    known = " (accepted)" if finding.get("accepted") else " (warning)" if finding["severity"] == "warn" else ""
    parts: list[RenderableType] = [Text(f"{number}. {title}{known}: {plain(finding['message'])}", "bold")]
    parts += [Text(line) for line in facts_of(finding)]
    sites = finding["sites"] if full else shown_sites(finding)
    parts += [_site(site, finding["unit"], place) for place, site in enumerate(sites)]
    if len(sites) < len(finding["sites"]):
        parts.append(Text(f"{plural(len(finding['sites']) - len(sites), 'smaller place')} more: soak report --full"))
    parts += [Text(plain(line)) for line in unexplained(finding)]
    parts.append(Text(f"fingerprint {finding['fingerprint']}", "dim"))
    return Group(parts[0], Padding(Group(*parts[1:]), (0, 0, 0, 3)))


def _site(site: dict[str, Any], unit: str, place: int) -> RenderableType:
    if site.get("retains"):
        return _retainer(site)
    name = (plain(site_name(site)), "bold cyan" if place == 0 else "cyan")
    if site.get("beside"):
        head = Text.assemble(("made with it: ", "dim"), name, f"  {kept_rate(site)}")
    else:
        sure = "" if site.get("significant", True) else "  (not certain)"
        bounds = f"  ({interval(site['ci95'], unit)}/h){sure}" if site["ci95"] else sure
        head = Text.assemble(name, f"  {share(site['share'])}  {rate(site['growth_per_hour'], unit)}", (bounds, "dim"))
    lines: list[RenderableType] = [head]
    code = (site.get("likely") or site["traceback"][-1]).get("code") if site["traceback"] else None
    if code:
        lines.append(Text(f"    {plain(code)}", "italic"))
    lines += [Text(f"    {plain(line)}", "dim") for line in site_facts(site, unit)]
    return Group(*lines)


def _retainer(site: dict[str, Any]) -> RenderableType:
    """What keeps the growth: the container, how fast it grows, and who fills it."""
    head = Text.assemble(
        ("kept by: ", "dim"),
        (plain(" -> ".join(site["held_by"][0])), "cyan"),
        f"  {rate(site['count_per_hour'], 'count')} items",
    )
    filled = [site["traceback"][-1], *site["also_filled_by"]]
    lines = [Text(f"    filled by {plain(frame_name(frame))}", "dim") for frame in filled[:RETAINERS_SHOWN]]
    return Group(head, *lines)


def _series(report: dict[str, Any], full: bool, width: int) -> RenderableType | None:
    rows = [row for row in report["series"] if full or row["gates"] or _worth(row)]
    if not rows:
        return None
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("series", no_wrap=True)
    names = ("growth/h", "95 % interval", "limit/h", "sees from")
    shown = [place for place, name in enumerate(names) if width >= NARROW or name in LEFT_WHEN_NARROW]
    for place in shown:
        table.add_column(names[place], justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for row in rows:
        style = COLOURS.get(row["verdict"], CLEAN) if row["gates"] else "dim"
        name, *figures = _cells(row)
        table.add_row(name, *(figures[place] for place in shown), Text(_said(row), style))
    said = {one["code"] for one in report["evidence"]}
    notes = [Text(line, "dim") for line in _series_notes(rows, said)]
    return Group(table, *notes)


def _worth(row: dict[str, Any]) -> bool:
    """Totals that explain: what is seen from outside although another decides."""
    return row["process"] == "total" and row["name"] in ("rss", "uss", "pss")


def _cells(row: dict[str, Any]) -> list[str]:
    name = row["name"] if row["process"] == "total" else f"{row['name']} {row['process']}"
    unit = row["unit"]
    limit = amount(row["limit_per_hour"], unit)
    return [
        plain(name)[:24],
        rate(row["growth_per_hour"], unit).removesuffix("/h"),
        interval(row["ci95"], unit),
        limit,
        amount(row["detectable_per_hour"], unit),
    ]


def _said(row: dict[str, Any]) -> str:
    if row["limit_per_hour"] is None:
        return "no limit"
    return ("accepted" if row.get("accepted") else str(row["verdict"])) + ("" if row["gates"] else " *")


def _series_notes(rows: list[dict[str, Any]], said: set[str]) -> list[str]:
    """Warnings by series, those left out that stand under the evidence (`said`) anyway."""
    told: dict[str, list[str]] = {}
    for row in rows:
        for code in row["warnings"]:
            if code not in said and (row["gates"] or code != "no_limit"):
                told.setdefault(code, []).append(row["name"])
    notes = [f"{', '.join(dict.fromkeys(names))}: {meaning(code)}" for code, names in told.items()]
    open_rows = [row for row in rows if row["gates"] and row["verdict"] == "inconclusive" and row["cycles_needed"]]
    if open_rows:
        needed = ", ".join(f"{row['name']} {row['cycles_needed']}" for row in open_rows)
        notes.append(f"More cycles that would decide: {needed}")
    return [*notes, *(["* explains, does not decide"] if any(not row["gates"] for row in rows) else [])]


def _rest(report: dict[str, Any]) -> list[RenderableType]:
    lines = [Text(f"Evidence: {plain(one['message'])}", "yellow") for one in report["evidence"]]
    lines += [Text(f"Gap: {plain(gap['why'])} {gap['from']} to {gap['to'] or 'the end'}") for gap in _gaps(report)]
    lines += [
        Text(plain(line))
        for line in (
            *_cleanup(report),
            *service_lines(report),
            _load(report["load"]),
            *_breaking_point(report["load"]),
            observer_line(report["observer"]),
            *(f"Agent: {note}." for note in agent_notes(report["observer"])),
        )
        if line
    ]
    return [Group(*lines)]


def _gaps(report: dict[str, Any], most: int = 3) -> list[dict[str, Any]]:
    return list(report["run"]["gaps"][:most])


def _cleanup(report: dict[str, Any]) -> list[str]:
    checks = [check for check in report.get("cleanup", []) if check["gates"]]
    failed = list(dict.fromkeys(check["series"] for check in checks if check["verdict"] == "fail"))
    passed = [check["series"] for check in checks if check["verdict"] == "pass"]
    passed = [name for name in dict.fromkeys(passed) if name not in failed]
    if not failed and not passed:
        return []
    words = [f"back at their floor: {', '.join(passed)}"] if passed else []
    words += [f"not back: {', '.join(failed)}"] if failed else []
    return [f"Cleanup after load: {'; '.join(words)}."]


def _load(load: dict[str, Any]) -> str:
    if not load["due"]:
        return "Load: none."
    latency = load["latency_ms"]
    known = [name for name in ("p50", "p95", "p99") if latency[name] is not None]
    times = ", ".join(f"{name} {short(latency[name])} ms" for name in known)
    landed = f"{load['landed']:,} of {load['due']:,} requests landed, {plural(load['errors'], 'error')}"
    broken = f", {load['faulted']:,} broken on purpose" if load["faulted"] else ""
    return f"Load: {landed}{broken}{'; ' + times if times else ''}."


def _breaking_point(load: dict[str, Any]) -> list[str]:
    found = load.get("breaking_point")
    return [f"Capacity: {found['sentence']}."] if found else []
