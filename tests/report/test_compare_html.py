"""The comparison as a page: both curves in one chart, and nothing from the target becomes markup."""

from __future__ import annotations

from pathlib import Path

import pytest

from soak.cli import exit_code
from soak.report.compare import Tolerances, compare
from soak.report.compare_html import draw, render_compare_html
from soak.report.compute import compute
from soak_storage import Store, open_store
from soak_storage.records import AnalysisRow

from .runs import CWD, MB, Plan, make_run
from .test_html import EVIL, Page


def test_both_runs_lie_on_each_other(store: Store) -> None:
    """Cycles beside cycles, though one run has cycles of half the length; the older is drawn first, and grey."""
    before = compute(store, make_run(store, Plan()))
    after = compute(store, make_run(store, Plan(heap_growth=3 * MB, cycle_seconds=30.0, quiet_seconds=5.0)))
    chart = str(draw("rss", before, after))
    assert chart.index('class="band old"') < chart.index('class="band new"')
    assert chart.count("<circle") > 10 and "now, cycle 8:" in chart and "before, cycle 8:" in chart
    assert draw("nothing", before, after) is None
    assert 'class="band old"' not in str(draw("rss", {"charts": None}, after))


def test_names_from_the_target_stay_text(store: Store) -> None:
    """A finding in a function that is named like an attack."""
    plan = Plan(heap_growth=3 * MB, leak_stack=((f"{CWD}/{EVIL}.py", 1, EVIL),), version=EVIL)
    before, after = compute(store, make_run(store, Plan(), EVIL)), compute(store, make_run(store, plan, EVIL))
    page = Page(render_compare_html(compare([before], after, Tolerances()), [before], after))
    assert "script" not in page.tags and "img" not in page.tags and not page.handlers
    assert set(page.addresses) <= {"data:,"}


def test_the_command_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`soak compare A B --html FILE`: the text all the same, and the exit code of the comparison."""
    url = f"sqlite:///{tmp_path}/soak.db"
    with open_store(url) as own:
        for growth in (0.0, 3.0 * MB):
            run = make_run(own, Plan(heap_growth=growth))
            own.write(run, [AnalysisRow(480.0, compute(own, run), None)])
    page = tmp_path / "compare.html"
    assert exit_code(["--store", url, "compare", "1", "2", "--html", str(page)]) == 1
    assert capsys.readouterr().out.startswith("WORSE  run 2")
    assert "<svg" in page.read_text() and page.read_text().rstrip().endswith("</html>")
    assert exit_code(["--store", url, "compare", "1", "2", "--html", str(tmp_path / "no" / "c.html")]) == 4
    assert "could not be written" in capsys.readouterr().err
