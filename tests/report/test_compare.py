"""Baselines and comparisons of runs whose difference is known."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console

from soak.report.compare import Tolerances, compare
from soak.report.compare_text import render_compare
from soak.report.compute import compute
from soak_storage import Store

from .runs import CWD, MB, Plan, make_run

ALLOWED = Tolerances()


@pytest.fixture(scope="module")
def clean(store: Store) -> dict[str, Any]:
    """A run without anything to say."""
    return compute(store, make_run(store, Plan(version="1.0")))


@pytest.fixture(scope="module")
def leaky(store: Store) -> dict[str, Any]:
    """The same target, leaking 3 MB a cycle."""
    return compute(store, make_run(store, Plan(heap_growth=3 * MB, version="1.1")))


def test_a_run_against_itself_is_within_everything(clean: dict[str, Any]) -> None:
    """No difference, no new finding, exit 0."""
    result = compare([clean], clean, ALLOWED)
    assert (result["verdict"], result["exit_code"], result["worse"]) == ("within", 0, [])
    assert not any(row["sure"] for row in result["series"])


def test_a_new_leak_is_new_and_its_growth_differs_for_certain(clean: dict[str, Any], leaky: dict[str, Any]) -> None:
    """180 MB/h more: the interval of the difference covers it and leaves zero out; backwards it is gone."""
    result = compare([clean], leaky, ALLOWED)
    heap = next(row for row in result["series"] if row["name"] == "python_heap")
    assert heap["sure"] and heap["ci95"][0] < 180 * MB < heap["ci95"][1]
    assert [one["kind"] for one in result["findings"]["new"]] == ["growth", "peak"]
    assert result["exit_code"] == 1
    back = compare([leaky], clean, ALLOWED)
    assert [one["kind"] for one in back["findings"]["gone"]] == ["growth", "peak"]
    assert back["exit_code"] == 0


def test_a_known_leak_is_known_by_its_fingerprint(store: Store, leaky: dict[str, Any]) -> None:
    """The line moved and the amount changed: still the same finding."""
    moved = (*Plan().leak_stack[:-1], (f"{CWD}/app.py", 99, "handler"))
    tonight = compute(store, make_run(store, Plan(heap_growth=4 * MB, leak_stack=moved)))
    found = compare([leaky], tonight, ALLOWED)["findings"]
    assert "growth" in [one["kind"] for one in found["known"]]
    assert (found["new"], found["gone"]) == ([], [])


@pytest.mark.parametrize(
    ("name", "path", "factor", "within"),
    [
        ("p50", ("load", "latency_ms", "p50"), 1.09, True),
        ("p50", ("load", "latency_ms", "p50"), 1.11, False),
        ("p99", ("load", "latency_ms", "p99"), 1.19, True),
        ("p99", ("load", "latency_ms", "p99"), 1.21, False),
        ("p50", ("load", "latency_ms", "p50"), 0.5, True),
    ],
)
def test_latency_has_its_tolerances(
    clean: dict[str, Any], name: str, path: tuple[str, ...], factor: float, within: bool
) -> None:
    """p50 may rise by 10 %, p99 by 20 %; faster is never worse."""
    later = json.loads(json.dumps(clean))
    later[path[0]][path[1]][path[2]] *= factor
    figure = next(one for one in compare([clean], later, ALLOWED)["figures"] if one["name"] == name)
    assert figure["within"] is within


def test_memory_and_errors_have_their_tolerances(clean: dict[str, Any]) -> None:
    """Floors may rise by 5 %; errors by a tenth of a percentage point: 8 of 8,000 to 20 of 8,000 is 0.15."""
    later = json.loads(json.dumps(clean))
    next(row for row in later["series"] if row["name"] == "rss")["floor"] *= 1.06
    later["load"]["errors"] = 20
    assert compare([clean], later, ALLOWED)["worse"] == ["rss floor", "errors"]


def test_baseline_of_several_runs_is_their_mean(clean: dict[str, Any]) -> None:
    """Three runs at 20, 22 and 24 ms: the baseline is 22 ms, and its growth is known better than that of one."""
    runs = [json.loads(json.dumps(clean)) for _ in range(3)]
    for run, value in zip(runs, (20.0, 22.0, 24.0), strict=True):
        run["load"]["latency_ms"]["p50"] = value
    result = compare(runs, clean, ALLOWED)
    assert next(one for one in result["figures"] if one["name"] == "p50")["before"] == pytest.approx(22.0)
    one, three = (
        next(row["ci95"] for row in compare(before, clean, ALLOWED)["series"] if row["name"] == "rss")
        for before in ([clean], runs)
    )
    assert three[1] - three[0] < one[1] - one[0]


def test_text_says_what_is_worse_first(clean: dict[str, Any], leaky: dict[str, Any]) -> None:
    """80 columns: the headline names the new finding, the tables follow."""
    out = io.StringIO()
    render_compare(compare([clean], leaky, ALLOWED), Console(file=out, width=80))
    assert out.getvalue().startswith("WORSE  run ")
    assert "NEW   " in out.getvalue() and "differs" in out.getvalue()
    assert max(map(len, out.getvalue().splitlines())) <= 80
