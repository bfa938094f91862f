"""The references have every key, metric, series, exit code, doctor's check and code of a report, and nothing else.

What the code really does is asked, not the tables from which the references are generated.
"""

from __future__ import annotations

import ast
import json
import os
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from soak import cli, errors
from soak.config.read import KNOWN_KEYS, LISTS, TABLES
from soak.config.table import Section, keys_of
from soak.metrics import exposition
from soak.progress import Status
from soak.recorder import RecorderStats
from soak.report.verdict import EXIT_CODES
from soak.standing import LastRun, Patience, Standing
from soak.troughs import SERIES
from soak_probes import probes
from soak_storage.records import EventRow, LoadWindowRow, SampleRow
from tests.docs.blocks import ROOT, documents
from tests.docs.tables import column, table

COMMANDS, REPORTS = "docs/reference-commands.md", "docs/reference-reports.md"
STATS = RecorderStats(0, 9, 0, 1, 0, None, None)
STATUS = Status(2, 1.0, 0, 8, "load", 5.0, 1e6, 60.0, 9, 0, None)


# ---- exit codes ------------------------------------------------------------------------------------------------------


def test_exit_codes() -> None:
    """Both tables have the codes that the source names; a command ends with no other number."""
    named = {value for module in (errors, cli) for name, value in vars(module).items() if name.startswith("EXIT_")}
    assert {int(code) for code in column(COMMANDS, "## Exit codes", "code")} == named
    assert {int(code) for code in column("README.md", "## Exit codes", "code")} == named
    literal = {number for path in _sources("soak/commands", "soak/cli.py", "soak/report") for number in _endings(path)}
    assert literal <= named
    assert set(EXIT_CODES.values()) <= named
    shown = {row["verdict"]: int(row["exit code"]) for row in table(REPORTS, "## Verdicts")}
    assert shown == EXIT_CODES


def _endings(path: Path) -> Iterator[int]:
    """Numbers that a command's function returns, that a process is ended with, and that a report says."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name in ("command", "follow", "exit_code"):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Return) and inner.value is not None:
                    yield from _numbers(inner.value)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("sys.exit", "SystemExit"):
            yield from (number for argument in node.args for number in _numbers(argument))
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "exit_code":
                    yield from _numbers(value)


def _numbers(node: ast.expr) -> Iterator[int]:
    """Whole numbers written in an expression that can be its value."""
    if isinstance(node, ast.Constant) and type(node.value) is int:
        yield node.value
    if isinstance(node, ast.IfExp):
        yield from (*_numbers(node.body), *_numbers(node.orelse))


# ---- checks of the doctor --------------------------------------------------------------------------------------------

LAUNCHED = """\
[target]
command = [{python!r}, "-c", "pass"]
url = "http://127.0.0.1:{port}"
[[check]]
name = "dependency"
kind = "tcp"
host = "127.0.0.1"
port = {port}
interval = "1m"
[[scenario]]
name = "work"
path = "/"
"""


def test_checks_of_the_doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a configuration, with a target to start and with one to attach to, it says these lines and no others."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("SOAK_")]:
        monkeypatch.delenv(name)
    found = _doctor()
    with socket.create_server(("127.0.0.1", 0)) as server:
        text = LAUNCHED.format(python=sys.executable, port=server.getsockname()[1])
        (tmp_path / "soak.toml").write_text(text)
        found |= _doctor()
        (tmp_path / "soak.toml").write_text(re.sub(r"command = .*", f"pid = {os.getpid()}", text))
        found |= _doctor()
    rows = {(row["area"], row["check"]) for row in table(COMMANDS, "## Checks of `soak doctor`")}
    assert {("checks", "NAME") if area == "checks" else (area, name) for area, name in found} == rows


def _doctor() -> set[tuple[str, str]]:
    """(area, name) of every line."""
    said = CliRunner().invoke(cli.cli, ["doctor", "--json"], standalone_mode=False)
    return {(line["area"], line["name"]) for line in json.loads(said.stdout)["findings"]}


# ---- metrics ---------------------------------------------------------------------------------------------------------


def test_metrics() -> None:
    """A daemon in the middle of a run, with everything to tell, tells what the reference has, with its labels."""
    standing = Standing("orders-api")
    standing.end(LastRun(1, "leak", 1000.0))
    standing.begin(Patience())
    standing.recording(2, lambda: STATS)
    standing.committed(
        [
            *(SampleRow(1.0, f"a series in {unit}", unit, 1.0) for unit in sorted(_units())),
            LoadWindowRow(0.0, 1.0, 0, "load", "list", 9, 9, 7, 1, 1),
            EventRow("check", 0.5, None, {"name": "api", "state": "healthy"}),
        ]
    )
    standing.progress(STATUS)
    standing.next_start = lambda: 2000.0
    standing.parts = lambda: {"web": {"restarts": 0, "error": None}}
    told: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(exposition(standing).decode()):
        for sample in family.samples:
            told.setdefault(sample.name, set()).update(sample.labels)
    rows = {row["metric"]: set(re.findall(r"\w+", row["labels"])) for row in table("docs/reference-metrics.md")}
    assert told == rows


def _units() -> set[str]:
    """Of every series that a run can store; a probe of the user's own is a count."""
    return {probe.unit for probe in probes.PROBES} | {unit for _, _, unit in SERIES} | {"count"}


def test_metrics_named_anywhere() -> None:
    """Every soak_ name in the documents is a metric of the reference, or a package of this repository."""
    packages = {path.name for folder in ("probes", "storage") for path in (ROOT / folder).iterdir()}
    known = {*column("docs/reference-metrics.md", None, "metric"), *packages}
    for path in documents():
        named = set(re.findall(r"(?<![\w/])soak_[a-z_]+[a-z]", path.read_text(encoding="utf-8")))
        assert named <= known, path.name


# ---- series ----------------------------------------------------------------------------------------------------------


def test_series() -> None:
    """Those that are read from outside and from inside, each once, with its unit; every probe in its folder is one."""
    outside = {(f"{probe.name}.*" if probe.parts_only else probe.name): probe.unit for probe in probes.PROBES}
    expected = {**{name: unit for _, name, unit in SERIES}, **outside}
    rows = table(REPORTS, "## Series")
    assert {row["series"]: row["unit"] for row in rows} == expected
    assert len(rows) == len(expected)
    classes = {probe.__module__.rpartition(".")[2] for probe in probes.PROBES}
    files = {path.stem for path in Path(str(probes.__file__)).parent.glob("*.py")}
    assert {name for name in files if _has_a_probe(name)} == classes


def _has_a_probe(name: str) -> bool:
    """Whether a file of the folder has a class with a unit."""
    tree = ast.parse(Path(str(probes.__file__)).with_name(f"{name}.py").read_text(encoding="utf-8"))
    assigned = [node for item in tree.body if isinstance(item, ast.ClassDef) for node in item.body]
    return any(isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "unit" for node in assigned)


# ---- keys of soak.toml -----------------------------------------------------------------------------------------------


def test_keys_named_anywhere() -> None:
    """Every `table.key` in the documents is a key of soak.toml (the reference has each: tests/config)."""
    nested = {
        f"{name}.{key.name}.{inner.name}"
        for name, cls in {**TABLES, **LISTS}.items()
        for key in keys_of(cls)
        if isinstance(key.kind, Section)
        for inner in keys_of(key.kind.cls)
    }
    known = {*KNOWN_KEYS, *nested}
    tables = "|".join((*TABLES, *LISTS))
    for path in documents():
        spans = re.findall(rf"`((?:{tables})\.[a-z_][\w.]*)", path.read_text(encoding="utf-8"))
        named = {span.rstrip(".") for span in spans if span.rpartition(".")[2] not in ("json", "log", "py", "toml")}
        assert named <= known, f"{path.name}: {named - known}"


# ---- codes of a report -----------------------------------------------------------------------------------------------


def test_evidence() -> None:
    """Every code that the source weighs a verdict with."""
    made = set(_first_arguments("Evidence", "_evidence"))
    assert made == set(column(REPORTS, "## Evidence", "code"))
    assert {"samples_missing", "load_not_landed", "outage"} <= made


def test_kinds_of_findings() -> None:
    """Every kind that the source makes a finding of; growth has its own maker."""
    growth = (ROOT / "soak/report/growth.py").read_text(encoding="utf-8")
    made = {*_first_arguments("finding"), *re.findall(r'"kind": "(\w+)"', growth)}
    assert made == set(column(REPORTS, "## Findings", "kind"))


def test_warnings_of_a_series() -> None:
    """Every code that the analysis says of a series, or the report puts beside it."""
    made = {code for name in ("decision", "judge") for code in _said(ROOT / f"soak/analysis/{name}.py")}
    made |= {code for name in ("series", "filling") for code in _said(ROOT / f"soak/report/{name}.py")}
    assert made == set(column(REPORTS, "## Warnings of a series", "code"))


def _said(path: Path) -> Iterator[str]:
    """Codes in a set, reasons of a cycle that are passed on, what is appended to warnings, lists of one, WARNING."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        found: list[ast.expr] = []
        if isinstance(node, ast.Set):
            found = node.elts
        if isinstance(node, ast.Compare) and ast.unparse(node.left).endswith(".why"):
            found = [code for reasons in node.comparators if isinstance(reasons, ast.Tuple) for code in reasons.elts]
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "row['warnings'].append":
            found = node.args
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "_row" and isinstance(node.args[-1], ast.List):
            found = node.args[-1].elts
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "WARNING":
            found = [node.value]
        yield from (code.value for code in found if isinstance(code, ast.Constant) and isinstance(code.value, str))


def _first_arguments(*functions: str) -> Iterator[str]:
    """The texts that these functions are called with first, anywhere in soak."""
    for path in _sources("soak"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in functions and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    yield first.value


def _sources(*places: str) -> Iterator[Path]:
    for place in places:
        yield from sorted((ROOT / place).rglob("*.py")) if (ROOT / place).is_dir() else [ROOT / place]
