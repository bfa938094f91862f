"""Every format is checked by something nobody here wrote, and carries what the target says without obeying it."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from lxml import etree
from markdown_it import MarkdownIt
from rich.console import Console

from soak.report.compute import compute
from soak.report.formats import FORMATS, render
from soak.report.github import announce
from soak.report.sarif import render as render_sarif
from soak.report.text import render_text
from soak_storage import Store

from .runs import CWD, MB, Plan, make_run

SCHEMAS = Path(__file__).resolve().parents[3] / "shared" / "schemas"
EVIL = "handler</script><script>alert(1)</script>`|\"'&%0A::error::\x1b[31m\n"
EVIL_LEAK = ((f"{CWD}/a<b>|`.py", 57, EVIL),)


@pytest.fixture(scope="module")
def reports(store: Store) -> dict[str, dict[str, Any]]:
    """One computed report of each kind of run."""
    plans = {
        "leak": Plan(heap_growth=3 * MB, socket_growth=5, version="0123abcd"),
        "clean": Plan(),
        "inconclusive": Plan(cycles=2),
        "native": Plan(native_growth=4 * MB),
        "error": Plan(done=0, status="failed", error={"code": "target_not_started", "message": "no such file"}),
        "evil": Plan(heap_growth=3 * MB, leak_stack=EVIL_LEAK, function_types=EVIL),
    }
    return {
        name: compute(store, make_run(store, plan, EVIL if name == "evil" else name)) for name, plan in plans.items()
    }


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", ["leak", "clean", "inconclusive", "native", "error", "evil"])
def test_every_format_renders_every_verdict(reports: dict[str, dict[str, Any]], form: str, name: str) -> None:
    """No verdict breaks a renderer, and none lets a control character through."""
    text = render(reports[name], form)
    assert text.endswith("\n")
    assert "\x1b" not in text
    assert reports[name]["verdict"] in text.lower()


def test_text_is_readable_at_80_columns_without_colour(reports: dict[str, dict[str, Any]]) -> None:
    """A person reads the verdict with its numbers in the first line, then file, line and function."""
    text = render(reports["leak"], "text")
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("LEAK  leak: Memory (Python heap) grows 180 MB/h (95 %:")
    assert "app.py:57 handler" in text
    assert "limit 1 MB/cycle" in " ".join(lines)
    assert not any(line != line.rstrip() for line in lines)


def test_text_says_what_would_have_been_seen_and_what_is_needed(reports: dict[str, dict[str, Any]]) -> None:
    """Clean states the smallest detectable growth, inconclusive the cycles that decide, error what went wrong."""
    assert "would have been seen" in render(reports["clean"], "text")
    assert "2 more cycles would decide" in " ".join(render(reports["inconclusive"], "text").split())
    assert "no such file" in render(reports["error"], "text")


def test_text_for_a_terminal_has_colour_and_no_markup_from_the_target(reports: dict[str, dict[str, Any]]) -> None:
    """Colour comes from us; an escape in a function name does not reach the terminal."""
    out = io.StringIO()
    render_text(reports["evil"], Console(file=out, width=100, force_terminal=True, color_system="standard"))
    assert "\x1b[1;31mLEAK" in out.getvalue()
    assert "?[31m" in out.getvalue()


@pytest.mark.skipif(not SCHEMAS.is_dir(), reason="the schemas of JUnit and SARIF are not on this machine")
@pytest.mark.parametrize("name", ["leak", "clean", "inconclusive", "native", "error", "evil"])
def test_junit_is_valid_and_counts(reports: dict[str, dict[str, Any]], name: str) -> None:
    """Valid against the schema of the Jenkins plugin; failures and errors are counted as they stand."""
    tree = etree.fromstring(render(reports[name], "junit").encode())
    etree.XMLSchema(etree.parse(str(SCHEMAS / "junit-10.xsd"))).assertValid(tree)
    assert int(tree.get("failures")) == len(tree.findall(".//failure"))
    assert int(tree.get("errors")) == len(tree.findall(".//error")) == (name == "error")
    assert bool(tree.findall(".//failure")) == (reports[name]["verdict"] == "leak")
    assert int(tree.get("tests")) == len(tree.findall(".//testcase"))


@pytest.mark.skipif(not SCHEMAS.is_dir(), reason="the schemas of JUnit and SARIF are not on this machine")
@pytest.mark.parametrize("name", ["leak", "clean", "inconclusive", "native", "error", "evil"])
def test_sarif_is_valid(reports: dict[str, dict[str, Any]], name: str) -> None:
    """Valid against the official schema, every result with a place."""
    sarif = json.loads(render(reports[name], "sarif"))
    schema = json.loads((SCHEMAS / "sarif-2.1.0.json").read_text())
    jsonschema.validators.validator_for(schema)(schema).validate(sarif)
    assert all(result["locations"] for result in sarif["runs"][0]["results"])


def test_sarif_alert_sits_on_the_line_and_keeps_its_fingerprint(store: Store) -> None:
    """Another night, other amounts, the line moved by nine: the same fingerprint, another line."""
    moved = ((f"{CWD}/app.py", 66, "handler"),)
    alerts = []
    for plan in (
        Plan(heap_growth=3 * MB, leak_stack=((f"{CWD}/app.py", 57, "handler"),)),
        Plan(heap_growth=5 * MB, leak_stack=moved),
    ):
        sarif = json.loads(render_sarif(compute(store, make_run(store, plan)), {"GITHUB_WORKSPACE": "/srv"}))
        alerts.append(next(one for one in sarif["runs"][0]["results"] if one["ruleId"] == "soak/growth"))
    places = [alert["locations"][0]["physicalLocation"] for alert in alerts]
    assert [place["artifactLocation"]["uri"] for place in places] == ["orders/app.py"] * 2
    assert [place["region"]["startLine"] for place in places] == [57, 66]
    assert alerts[0]["partialFingerprints"] == alerts[1]["partialFingerprints"]


def test_markdown_cannot_be_broken_by_a_name(reports: dict[str, dict[str, Any]]) -> None:
    """A function named like markup stays text: no tag, no table cell, no code span of its own."""
    text = render(reports["evil"], "markdown")
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    inner = [child for token in tokens for child in token.children or []]
    tags = {part for one in (*tokens, *inner) if one.type.startswith("html") for part in one.content.split("<")}
    assert not any(tag.startswith(("script", "/script")) for tag in tags)
    rows = [line for line in text.splitlines() if line.startswith("| `a")]
    assert rows and all(row.count(" | ") == 4 for row in rows)


def test_markdown_has_the_curve_and_the_site(reports: dict[str, dict[str, Any]]) -> None:
    """The floors rise from the lowest block to the highest, and the first row of the table is the site."""
    text = render(reports["leak"], "markdown")
    assert "▁" in text and "█" in text
    assert "| `app.py:57 handler` | 100 %" in text


def test_github_job_gets_annotations_and_a_summary(reports: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    """In a job: one command per finding at file and line, names escaped, and the summary in the file named for it."""
    summary = tmp_path / "summary.md"
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary), "GITHUB_WORKSPACE": "/srv"}
    out = io.StringIO()
    announce(reports["leak"], out, environ)
    first = out.getvalue().splitlines()[0]
    assert first.startswith("::error file=orders/app.py,line=57,title=soak%3A growth python_heap::Memory (Python heap)")
    assert summary.read_text().startswith("### 🔴 soak: leak")
    evil = io.StringIO()
    announce(reports["evil"], evil, {"GITHUB_ACTIONS": "true"})
    assert len(evil.getvalue().splitlines()) == len(reports["evil"]["findings"])
    quiet = io.StringIO()
    announce(reports["leak"], quiet, {})
    assert quiet.getvalue() == ""
