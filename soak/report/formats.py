"""The formats of a report. To add one: a module with `render(report) -> str`, its test, and a line here."""

from __future__ import annotations

import importlib
import io
import json
from collections.abc import Callable
from typing import Any

Report = dict[str, Any]


def to_text(report: Report) -> str:
    """Plain text of 80 columns, for files."""
    from rich.console import Console

    from soak.report.text import render_text

    out = io.StringIO()
    render_text(report, Console(file=out, width=80, color_system=None, force_terminal=False))
    return out.getvalue()


def to_json(report: Report) -> str:
    """report.json of the contract; the points of the curves stay out of it."""
    report = {key: value for key, value in report.items() if key != "charts"}
    return json.dumps(report, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


# Format name: module that has `render`, imported only when it is asked for.
MODULES = {"html": "html", "markdown": "markdown", "junit": "junit", "sarif": "sarif"}
FORMATS = ("text", "json", *MODULES)


def render(report: Report, form: str) -> str:
    """`report` in one of FORMATS."""
    if form == "text":
        return to_text(report)
    if form == "json":
        return to_json(report)
    renderer: Callable[[Report], str] = importlib.import_module(f"soak.report.{MODULES[form]}").render
    return renderer(report)
