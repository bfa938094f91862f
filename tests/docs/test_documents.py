"""Documents hold together: references are current, links lead somewhere, configurations load, no machine is named."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from soak.advice import ADVICE
from soak.config import load_config
from soak.report.verdict import EXIT_CODES
from soak.report.words import TITLES, WARNINGS
from soak_probes.probes import PROBES
from tests.docs.blocks import ROOT, Block, blocks, documents
from tools.docs import events, messages, metrics, reports
from tools.docs.generated import DOCUMENTS

SAID_OF_MACHINES = re.compile(r"/root/|/tmp/(?!soak-agent)|/home/[a-z]+/|" + re.escape(f"{ROOT}/") + r"|on vm\b")
TOML = [block for path in documents() for block in blocks(path, "toml")]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_generated_references_are_current(name: str) -> None:
    """docs/NAME is what the code generates; mend: python tools/docs."""
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == DOCUMENTS[name]()


def test_the_reference_of_reports_has_everything() -> None:
    """Each verdict, series, warning and kind of finding has its row."""
    text = reports.render()
    series = {f"{probe.name}.*" if probe.parts_only else probe.name for probe in PROBES} | {"python_heap", "tasks"}
    for name in (*EXIT_CODES, *series, *WARNINGS, *TITLES):
        assert f"| `{name}` |" in text, name
    assert set(reports.VERDICTS) == set(EXIT_CODES)
    assert "missing_samples" not in text
    assert {code for code, _ in reports.evidence()} >= {"`samples_missing`", "`load_not_landed`", "`outage`"}


def test_the_reference_has_every_kind_of_event_and_no_other() -> None:
    """What the source puts into the store is what is explained."""
    assert events.kinds() == set(events.MEANINGS)


def test_the_reference_of_messages_has_no_braces() -> None:
    """Placeholders are words; a row for each entry."""
    text = messages.render()
    assert "{" not in text.partition("|---|")[2].replace("${", "")
    assert "| `port_taken` | Port PORT on HOST is taken" in text


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    """Relative links are files of this repository, with their headings."""
    for target in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", path.read_text(encoding="utf-8")):
        file, _, heading = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), target
        if heading:
            assert heading in headings(there), target


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_machine_is_named(path: Path) -> None:
    """Paths are relative: what somebody ran somewhere is of no use to a reader."""
    assert not SAID_OF_MACHINES.search(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("block", TOML, ids=lambda block: block.place)
def test_configurations_load(block: Block, tmp_path: Path) -> None:
    """A block of TOML is a configuration; where it has no target or scenario, one is added."""
    tree = tomllib.loads(block.text)
    parts = [block.text]
    if "target" not in tree:
        parts.append('[target]\ncommand = ["x"]\nurl = "http://127.0.0.1:1"\n')
    if "scenario" not in tree:
        parts.append('[[scenario]]\nname = "work"\npath = "/"\n')
    (tmp_path / "soak.toml").write_text("\n".join(parts))
    secrets = dict.fromkeys(("SOAK_WEBHOOK_SECRET", "SOAK_WEB_TOKEN", "PGPASSWORD"), "x" * 40)
    load_config(tmp_path / "soak.toml", environ=secrets)


def headings(path: Path) -> set[str]:
    """The anchors of a document, as the usual renderers make them."""
    found = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-") for text in found}


def test_troubleshooting_names_messages_that_exist() -> None:
    """Each code in the last column of the table is an entry of the advice."""
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    section = text.partition("## Troubleshooting")[2].partition("\n## ")[0]
    codes = [code for row in re.findall(r"\| ([^|]*) \|$", section, re.M) for code in re.findall(r"`(\w+)`", row)]
    assert len(codes) >= 10
    assert set(codes) <= set(ADVICE)


def test_monitoring_names_metrics_that_exist() -> None:
    """Each soak_ name in the guide is a metric of the reference."""
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\bsoak_[a-z_]+", text)) <= {row.name for row in metrics.families()}


def test_monitoring_explains_each_alert_rule() -> None:
    """The table has the rules that are shipped, and no other."""
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    rules = (ROOT / "deploy/prometheus/soak.rules.yml").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(Soak\w+)` \|", text, re.M) == re.findall(r"- alert: (\w+)", rules)


def test_files_that_are_named_exist() -> None:
    """Paths below deploy/, soak/ and examples/ in the documents are files of this repository."""
    for path in documents():
        for name in re.findall(r"`((?:deploy|soak|probes|storage|tools)/[\w@./-]+)`", path.read_text(encoding="utf-8")):
            assert (ROOT / name).exists(), f"{path.name}: {name}"
