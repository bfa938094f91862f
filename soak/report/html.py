"""The report as one HTML file: no script, no request, opens from a CI artifact; light, dark, keyboard, phone."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from soak.report import chart, flame, units
from soak.report.facts import facts_of, head_facts
from soak.report.observer_text import observer_line
from soak.report.service_text import service_lines
from soak.report.words import BESIDE, TITLES, frame_name, has_share, meaning, plain, site_name

TEMPLATES = Path(__file__).parent / "templates"
EMPTY_CHARTS: dict[str, Any] = {"cycles": [], "quiet_seconds": 0.0, "segments": [], "gaps": [], "series": []}


def render(report: dict[str, Any]) -> str:
    """The page; what comes from the target is escaped by the template and by `svg.tag`, control characters go."""
    made = environment()
    css = made.get_template("report.css").render()
    charts = report.get("charts") or EMPTY_CHARTS
    page: str = made.get_template("report.html.j2").render(
        report=report,
        css_hash=base64.b64encode(hashlib.sha256(css.encode()).digest()).decode(),
        charts=charts,
        drawn={one["name"]: chart.draw(charts, one) for one in charts["series"]},
        flames=[flame.draw(one["tree"], one["unit"]) if one.get("tree") else None for one in report["findings"]],
        rows=[row for row in report["series"] if row["gates"] or row["process"] == "total"],
        open_charts=_open_charts(report),
        facts=head_facts(report["run"]),
        observer=observer_line(report["observer"]),
        titles=TITLES,
        service=service_lines(report),
    )
    return page if page.endswith("\n") else page + "\n"


def _open_charts(report: dict[str, Any]) -> set[str]:
    """Charts shown unasked: of a run without growth those of memory; else the findings have theirs."""
    if any(finding["kind"] == "growth" for finding in report["findings"]):
        return set()
    return {"rss", "pss", "python_heap"}


def environment() -> Environment:
    """Everything is escaped and freed of control characters; a key that a row lacks is empty."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: plain_text(value) if isinstance(value, str) else value,
    )
    made.globals.update(
        amount=units.amount,
        rate=units.rate,
        interval=units.interval,
        share=units.share,
        short=lambda value: "-" if value is None else units.short(value),
        facts_of=facts_of,
        site_name=site_name,
        has_share=has_share,
        beside=BESIDE,
        frame_name=frame_name,
        meaning=meaning,
        code_of=_code_of,
    )
    return made


def plain_text(value: str) -> str:
    """Without control characters; markup made by `svg.tag` is plain already."""
    return value if isinstance(value, Markup) else plain(value)


def _code_of(site: dict[str, Any]) -> str | None:
    frame = site.get("likely") or (site["traceback"][-1] if site["traceback"] else {})
    code: str | None = frame.get("code")
    return code
