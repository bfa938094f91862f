"""What the pages are given: runs with paging and search, thinned curves, findings over runs, alerts."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from soak.alerts import findings_of
from soak.web.views import MOST_POINTS, curves_view
from soak_storage import Store, open_store
from soak_storage.alerts import Alerts, Finding
from soak_storage.records import LoadWindowRow, SampleRow
from tests.common import PATIENCE_S
from tests.report.runs import MB, STARTED, Plan
from tests.web.conftest import Serve, judged, running


def test_runs_are_paged_and_searched(serve: Serve, store: Store) -> None:
    """Newest first, so many at a time; every word has to be in a column."""
    mine = [running(store, f"paged-{number % 2}") for number in range(7)]
    served = serve()
    first = served.json("/api/runs?q=paged&limit=3")
    assert first["total"] == 7 and [run["id"] for run in first["runs"]] == mine[:-4:-1]
    assert [run["id"] for run in served.json("/api/runs?q=paged&limit=3&offset=6")["runs"]] == mine[:1]
    assert {run["name"] for run in served.json("/api/runs?q=RUNNING%20paged-1")["runs"]} == {"paged-1"}
    assert served.json("/api/runs?q=paged%20nothing")["total"] == 0
    assert served.json("/api/runs?q=paged&limit=x&offset=-1")["total"] == 7


def test_a_run_has_verdict_findings_and_latency(serve: Serve, leaky: int) -> None:
    """The line that leaks stands in it, with what holds for each series, and a latency per cycle."""
    view = serve().json(f"/api/runs/{leaky}")
    assert view["run"]["verdict"] == "leak" and "app.py:57" in view["summary"]
    (finding,) = [one for one in view["findings"] if one["series"] == "python_heap"]
    assert finding["sites"][0]["short"] == "app.py" and finding["sites"][0]["line"] == 57
    assert {row["name"] for row in view["series"]} >= {"rss", "python_heap", "fds"}
    assert len(view["floors"]["rss"]["floors"]) == 8 and len(view["cycles"]) == 8
    assert len(view["load"]["latency"]) == 8 and view["load"]["latency"][0][0] == 1
    assert 10 < view["load"]["latency"][0][1] < 30, "200 answers from 10 to 30 ms"


def test_a_run_that_is_not_there_is_said(serve: Serve) -> None:
    """404 and words, for the page and for its curves."""
    served = serve()
    for path in ("/api/runs/99999", "/api/runs/99999/curves"):
        status, _, body = served.ask(path)
        assert status == 404 and "99999" in json.loads(body)["error"]


def test_curves_are_thinned_and_keep_their_extremes(store: Store) -> None:
    """43,200 samples become 300 stretches, and one sample that stands out is still there; a gap stays a gap."""
    run = running(store)
    spike, hole = 21_600, range(30_000, 33_000)
    values = ((t, 1000.0 if t == spike else None if t in hole else 10.0 + math.sin(t)) for t in range(43_200))
    store.write(run, [SampleRow(float(t), "rss", "bytes", value, gates=True) for t, value in values])
    store.write(run, [SampleRow(5.0, "sockets.close_wait", "count", 1.0)])
    view = curves_view(store, run)
    (one,) = view["series"]
    assert one["name"] == "rss" and MOST_POINTS - 5 <= len(one["points"]) <= MOST_POINTS + 1
    assert max(high for _, _, high in one["points"] if high is not None) == 1000.0
    assert any(30_000 < t < 33_000 and low is None for t, low, _ in one["points"])
    (more,) = curves_view(store, run, more=True)["series"]
    assert more["name"] == "sockets.close_wait" and more["points"] == [[5.0, 1.0, 1.0]]


def test_load_is_given_per_second(store: Store) -> None:
    """Two scenarios of one second are added up: 30 landed and 2 failed."""
    run = running(store)
    windows = [LoadWindowRow(t, t + 1, 0, "load", name, 16, 16, 15, 1, 0) for t in (0.0, 1.0) for name in ("a", "b")]
    store.write(run, [SampleRow(2.0, "rss", "bytes", 1.0, gates=True), *windows])
    assert curves_view(store, run)["load"] == [[0.5, 30.0, 2.0, 32.0], [1.5, 30.0, 2.0, 32.0]]


def test_findings_have_a_history(serve: Serve, store: Store) -> None:
    """Clean in version a, leaking from b on, gone in c: since when, between which versions, how often."""
    plans = [("a", 0.0), ("b", 2.0 * MB), ("b", 2.0 * MB), ("c", 0.0)]
    runs = [
        judged(store, Plan(heap_growth=growth, version=version, started=STARTED + 86400.0 * day), "history")
        for day, (version, growth) in enumerate(plans)
    ]
    served = serve()
    view = served.json("/api/findings?name=history")
    (heap,) = [one for one in view["findings"] if one["series"] == "python_heap"]
    assert not heap["present"] and heap["seen"] == runs[1:3]
    assert (heap["first"]["version_before"], heap["first"]["version"]) == ("a", "b")
    assert heap["site"] == "app.py:57 handler" and [there for there, _ in heap["growth"]] == [False, True, True, False]
    assert {one["name"] for one in view["series"]} >= {"rss", "python_heap"}
    again = judged(store, Plan(heap_growth=2.0 * MB, version="d", started=STARTED + 86400.0 * 9), "history")
    served = serve()
    (heap,) = [one for one in served.json("/api/findings?name=history")["findings"] if one["series"] == "python_heap"]
    assert heap["present"] and heap["last"]["id"] == again
    assert served.json("/api/findings?name=nobody")["findings"] == []


def test_an_empty_store_has_pages_too(serve: Serve, tmp_path: Path) -> None:
    """Nothing was soaked yet: every list is there and empty."""
    with open_store(f"sqlite:///{tmp_path}/soak.db") as empty:
        served = serve(behind=empty)
        assert served.json("/api/runs") == {"total": 0, "offset": 0, "runs": []}
        assert served.json("/api/findings") == {"name": None, "names": [], "findings": [], "series": []}
        assert served.json("/api/alerts") == {"alerts": []}


def test_an_alert_is_acknowledged_with_name_and_note(serve: Serve, store: Store, leaky: int) -> None:
    """Raised by the findings of a run; afterwards it says who knows."""
    report = store.latest_analysis(leaky)
    assert report is not None
    alerts = Alerts(store, (), repeat=1e9)
    alerts.update("orders-api", leaky, findings_of(report), 1000.0)
    served = serve()
    served.headers = {"x-soak-form": form_of(served.ask("/")[2])}
    (mine, *_) = [one for one in served.json("/api/alerts")["alerts"] if one["name"] == "orders-api"]
    assert mine["state"] == "open" and mine["raised"] == "1970-01-01T00:16:40Z"
    path = f"/api/alerts/{mine['id']}/acknowledge"
    assert served.ask(path, "POST", json.dumps({"by": "Ada", "note": "<b>ticket 7</b>"}))[0] == 200
    (known,) = [one for one in served.json("/api/alerts")["alerts"] if one["id"] == mine["id"]]
    assert known["state"] == "acknowledged"
    assert (known["acknowledged_by"], known["note"]) == ("Ada", "<b>ticket 7</b>")
    assert served.ask("/api/alerts/99999/acknowledge", "POST", "{}")[0] == 404
    assert served.ask(path, "POST", "no json")[0] == 400
    assert served.ask(path, "POST", "[" + " " * 5000)[0] == 400


def test_the_whole_report_is_one_page_of_its_own(serve: Serve, leaky: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rendered as `soak report --format html` does; no script may run in it."""
    monkeypatch.setattr("soak.web.api.REPORT_TIMEOUT", 4 * PATIENCE_S)
    served = serve()
    status, headers, body = served.ask(f"/runs/{leaky}/report.html")
    assert status == 200 and b"app.py:57" in body and b"</html>" in body
    assert "script-src" not in headers["content-security-policy"], "default-src 'none' is for scripts too"
    assert served.ask("/runs/99999/report.html")[0] == 404


def test_alerts_of_all_targets_are_listed_newest_first(serve: Serve, tmp_path: Path) -> None:
    """Whoever raised them, and in whatever order they came into the store."""
    with open_store(f"sqlite:///{tmp_path}/soak.db") as own:
        for name, raised in (("one", 5000.0), ("other", 7000.0), ("third", 6000.0)):
            Alerts(own, (), repeat=1e9).update(name, 1, [Finding(name, "f1", "fail", "m", {})], raised)
        found = serve(behind=own).json("/api/alerts")["alerts"]
    assert [one["name"] for one in found] == ["other", "third", "one"]


def form_of(page: bytes) -> str:
    """The token that a page carries for its forms."""
    return page.decode().split('name="soak-form" content="')[1].split('"')[0]
