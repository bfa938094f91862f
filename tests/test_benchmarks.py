"""What benchmarks conclude from figures: a missed goal ends one with 1, and nothing measured is no success."""

from __future__ import annotations

import json
import subprocess

import pytest

from benchmarks import peer_environments
from benchmarks.corpus import running as corpus
from benchmarks.heap.cells import Ratio, judged_cpu
from benchmarks.load import measure
from benchmarks.overhead import __main__ as overhead
from benchmarks.pause import __main__ as pause
from benchmarks.planted import __main__ as planted
from benchmarks.probes import __main__ as probes
from benchmarks.processes.__main__ import Figure, Score, figures
from benchmarks.processes.cases import Case
from benchmarks.quick import LeftOut
from benchmarks.reports import browser
from benchmarks.suites import run as suites
from benchmarks.suites.running import Compared
from benchmarks.verdicts import __main__ as verdicts
from soak.demo.leaks import truth


@pytest.mark.parametrize(("ratio", "code"), [(1.005, 0), (1.2, 1)])
def test_a_missed_goal_of_overhead_is_an_exit_code(ratio, code, monkeypatch, capsys):
    """Every cell has the same ratio; memory is within its goal."""
    monkeypatch.setattr("sys.argv", ["overhead"])
    for name in ("environment", "compiled"):
        monkeypatch.setattr(overhead, name, lambda: None)
    monkeypatch.setattr(
        overhead, "cpu", lambda python, workload, tool, pairs: Ratio(1.0 if tool == "null" else ratio, 0)
    )
    monkeypatch.setattr(overhead, "resident", lambda python, workload, tool: 0.0)
    assert overhead.main() == code
    assert ("MISSED" in capsys.readouterr().out) == bool(code)


@pytest.mark.parametrize(
    ("ours", "null", "said"),
    [
        (Ratio(1.02, 0.01), Ratio(1.00, 0.01), "ok"),
        (Ratio(1.02, 0.04), Ratio(1.00, 0.01), "undecided"),
        (Ratio(1.02, 0.01), Ratio(0.93, 0.01), "undecided"),
        (Ratio(1.06, 0.04), Ratio(1.00, 0.01), "MISSED"),
        (Ratio(float("nan"), 0.0), Ratio(1.00, 0.01), "MISSED"),
    ],
)
def test_a_ratio_is_within_its_goal_with_all_of_its_interval(ours, null, said):
    """Of 5 %: what is too wide, or beside a null control that is as far off, says nothing, and misses nothing."""
    judged = judged_cpu("CPU", ours, 1.05, null, "a peer", Ratio(1.1, 0.0))
    assert judged.line.endswith(f" {said}")
    assert judged.missed == (said == "MISSED")


@pytest.mark.parametrize(("percent", "code"), [(0.1, 0), (2.0, 1)])
def test_a_missed_goal_of_probes_is_an_exit_code(percent, code, monkeypatch, capsys):
    """2 % of a core is too much for one process, and not for 50."""
    monkeypatch.setattr("sys.argv", ["probes"])
    monkeypatch.setattr(probes, "calls", lambda: None)
    monkeypatch.setattr(probes, "watch", lambda who, pid, seconds: (percent, 2**20))
    monkeypatch.setattr(probes, "watch_as_psrecord", lambda pid, seconds: 1.0)
    assert probes.main() == code
    assert capsys.readouterr().out.count("MISSED") == code


@pytest.mark.parametrize(("good", "cheap", "code"), [(True, True, 0), (False, True, 1), (True, False, 1)])
def test_a_missed_floor_of_verdicts_is_an_exit_code(good, cheap, code, monkeypatch):
    """Of any family, or of what judging costs."""
    monkeypatch.setattr("sys.argv", ["verdicts"])
    monkeypatch.setattr(verdicts, "FAMILIES", dict(list(verdicts.FAMILIES.items())[:2]))
    monkeypatch.setattr(verdicts, "run", lambda *_: {"soak": {}})
    for name in ("headline", "by_factor", "weakest", "by_cycles"):
        monkeypatch.setattr(verdicts, name, lambda *_: [])
    rows = iter([[verdicts.Row("a figure", 50.0, "60", "70", good, False)], []])
    monkeypatch.setattr(verdicts, "goals", lambda _: next(rows))
    monkeypatch.setattr(verdicts, "cost", lambda: ("", cheap))
    assert verdicts.main() == code


@pytest.mark.parametrize(
    ("without", "beside", "broken"),
    [
        ({"one": "passed", "two": "failed"}, {"one": "passed", "two": "failed"}, []),
        ({"one": "passed"}, {"one": "failed"}, ["one"]),
        ({"one": "passed"}, {"one": "skipped"}, ["one"]),
        ({"one": "passed"}, {}, ["one"]),
        ({"one": "skipped"}, {"one": "failed", "two": "passed"}, ["suite"]),
        ({}, {}, ["suite"]),
    ],
)
def test_a_test_that_passes_has_to_pass_beside_the_agent(without, beside, broken):
    """Skipped or gone is broken; a suite of which nothing passed at all is no evidence."""
    assert suites.broken(Compared("suite", "3.11.7", without, beside)) == broken


def test_an_interpreter_without_tests_is_no_success(monkeypatch):
    """Nothing was compared in it."""
    monkeypatch.setattr("sys.argv", ["run", "--python", "/no/such/python"])
    monkeypatch.setattr(suites, "has_tests", lambda python: False)
    with pytest.raises(LeftOut, match="came without its tests"):
        suites.main()


def missed(verdicts: list[str]) -> set[str]:
    """The figures below their floors when sound targets are judged so, and all leaking ones are found."""
    held = {"python_heap": True, "rss": True}
    sound = [Score(Case(0.0, "", number), verdict, held) for number, verdict in enumerate(verdicts)]
    found = figures([*sound, Score(Case(2.0, "", 0), "leak", held)], len(verdicts))
    return {figure.name for figure in found if not figure.reaches(figure.floor)}


def test_a_soak_that_gave_no_answer_is_wrong():
    """Not one that accused nobody; and one that never decides does not pass either."""
    assert missed(["clean"] * 10) == set()
    accused = {"false verdict on benign ones, or none", "no leak at 0 and 0.5 x limit"}
    for verdict in ("leak", "error", "no report: it was killed"):
        assert missed(["clean"] * 9 + [verdict]) == accused
    assert missed(["inconclusive"] * 10) == {"clean on benign processes"}


def test_a_figure_without_runs_is_missed():
    """In both directions."""
    assert not Figure("none", [], 2.0, 1.0, most=True).reaches(2.0)
    assert str(Figure("none", [], 0.0, 0.0)).endswith("MISSED")


def test_a_peer_that_cannot_be_installed_is_left_out_by_name(tmp_path, monkeypatch):
    """And not passed over in silence; the next time it is tried again."""

    def refuse(command: list[object], check: bool) -> None:
        raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(peer_environments, "CACHE", tmp_path)
    monkeypatch.setattr(peer_environments.venv, "create", lambda home, with_pip, clear: home.mkdir(exist_ok=True))
    monkeypatch.setattr(peer_environments.subprocess, "run", refuse)
    for _ in range(2):
        with pytest.raises(LeftOut, match="cannot install psrecord=="):
            peer_environments.installed("psrecord")


def test_an_environment_of_other_versions_is_made_anew(tmp_path, monkeypatch):
    """What is kept in the cache is what is pinned."""
    made = []
    monkeypatch.setattr(peer_environments, "CACHE", tmp_path)
    monkeypatch.setattr(peer_environments.venv, "create", lambda home, with_pip, clear: home.mkdir(exist_ok=True))
    monkeypatch.setattr(peer_environments.subprocess, "run", lambda command, check: made.append(command[-1]))
    for version in ("1.4", "1.4", "1.5"):
        monkeypatch.setattr(peer_environments, "PINNED", {"psrecord": (f"psrecord=={version}",)})
        peer_environments.installed("psrecord")
    assert made == ["psrecord==1.4", "psrecord==1.5"]


def test_without_a_browser_the_dashboard_is_left_out_by_name(monkeypatch):
    """And the benchmark of reports does not pass without it."""
    monkeypatch.setattr(browser.shutil, "which", lambda name: None)
    with pytest.raises(LeftOut, match="needs a chromium"):
        browser.first_loads("sqlite:////nowhere.db")


def test_a_web_part_that_ends_is_not_waited_for(monkeypatch):
    """It is seen that its process is gone."""
    monkeypatch.setattr(browser, "SERVE", "raise SystemExit(3)")
    with pytest.raises(SystemExit, match="did not start"), browser.serving("sqlite:////nowhere.db"):
        pass


def test_a_load_off_its_rate_gives_no_figure():
    """By more than a hundredth, either way."""
    assert measure.as_wanted(496.0, 500.0) == 496.0
    for rate in (494.0, 506.0, 0.0):
        with pytest.raises(LeftOut, match=f"{rate:.1f} a second were counted and not 500"):
            measure.as_wanted(rate, 500.0)


@pytest.mark.parametrize("more", [{"errors": {"refused": 1}}, {"dropped": 2}, {"withheld": 3}])
def test_our_requests_that_failed_give_no_figure(more, monkeypatch):
    """Nor those that were never sent."""
    whole = {"due": 9, "landed": 9, "errors": {}, "dropped": 0, "withheld": 0}
    for total in (whole, {**whole, **more}):
        out = json.dumps({"total": total})
        monkeypatch.setattr(measure, "used", lambda command, env, out=out: measure.Used(out, 1.0))
        if total is whole:
            assert measure.ours("http://127.0.0.1:1", 1.0)[1] == 1.0
        else:
            with pytest.raises(LeftOut, match="of our 9 requests some failed"):
                measure.ours("http://127.0.0.1:1", 1.0)


@pytest.mark.parametrize("failed", [0, 4])
def test_requests_of_locust_that_failed_give_no_figure(failed, tmp_path, monkeypatch):
    """They are counted by the column of that name, of all requests together."""

    def run(command: object, cwd: object, quiet: bool) -> measure.Used:
        head = "Type,Name,Request Count,Failure Count,Median Response Time"
        (tmp_path / "stats_stats.csv").write_text(f'{head}\nGET,"/a,b",1,0,2\n,Aggregated,70,{failed},2\n')
        return measure.Used("", 0.5)

    monkeypatch.setattr(measure, "used", run)
    monkeypatch.setattr(measure.peers, "locust", lambda: tmp_path / "locust")
    if not failed:
        assert measure.locust(tmp_path, "http://127.0.0.1:1", 1.0, 8, None) == (70, 0.5)
    else:
        with pytest.raises(LeftOut, match="4 of Locust's 70 requests failed"):
            measure.locust(tmp_path, "http://127.0.0.1:1", 1.0, 8, None)


@pytest.mark.parametrize(("verdict", "off", "code"), [("leak", 0, 0), ("inconclusive", 0, 1), ("leak", 1, 1)])
def test_a_planted_leak_is_accused_and_its_line_is_named_first(verdict, off, code, monkeypatch, capsys):
    """A line that is named by a run that does not call it a leak is not found."""
    place = truth("list")
    sites = [{"file": place.file, "line": place.line + off}, {"file": place.file, "line": place.line}]
    report = {"verdict": verdict, "series": [], "findings": [{"sites": sites}]}
    monkeypatch.setattr(planted, "soak", lambda leak, folder: report)
    assert planted.main(["list"]) == code
    assert capsys.readouterr().out.count("MISSED") == code


def test_the_weakest_shape_has_a_floor():
    """Half of the intervals is too few, whatever the mean is."""
    good = verdicts.Score({"leak": 1, "clean": 0, "inconclusive": 0}, covered=95, with_interval=100)
    weak = verdicts.Score({"leak": 1, "clean": 0, "inconclusive": 0}, covered=50, with_interval=100)
    for worst, said in ((good, "ok"), (weak, "MISSED")):
        leaking = {("leaking", "one", 0.5): good, ("leaking", "one", 2.0): good, ("leaking", "two", 2.0): worst}
        rows = verdicts.goals({**leaking, ("benign", "one", 0.0): good})
        assert rows[-1].said == said


def test_a_place_in_the_corpus_is_one_of_the_right_series():
    """The same frame under another finding was not recognised; `also` counts as the series itself."""
    facts = {"resource": "sockets", "expected": {"frames": [{"file": "target.py", "functions": ["connect"]}]}}
    sites = [{"file": "other.py", "function": "f"}, {"file": "/x/target.py", "function": "Pool.connect"}]
    for series, also, rank in (("sockets", [], 1), ("tasks", [], None), ("tasks", ["fds"], 1)):
        report = {"findings": [{"series": series, "also": also, "sites": sites}, {"kind": "peak"}]}
        assert corpus.rank(facts, report) == rank


def test_a_corpus_environment_is_that_of_its_lock_or_the_row_says_so(tmp_path, monkeypatch):
    """Made anew when the lock changes; marked when pip does not take it."""
    folder, cache = tmp_path / "case", tmp_path / "cache"
    folder.mkdir()
    case = corpus.Case(folder, {"id": "one", "resource": "fds", "requirements": ["flask"]})
    asked: list[str] = []
    fits = True

    def run(command: list[str], check: bool) -> subprocess.CompletedProcess[str]:
        if "install" in command:
            asked.append(command[-1])
        return subprocess.CompletedProcess(command, 0 if fits or "-r" not in command else 1)

    monkeypatch.setattr(corpus.subprocess, "run", run)
    lock = folder / "lock.leaky.txt"
    for text in ("flask==1", "flask==1", "flask==2"):
        lock.write_text(text)
        corpus.prepared(case, "leaky", cache)
    assert asked == [str(lock)] * 2 and not (cache / "one.leaky" / corpus.UNLOCKED).exists()
    fits = False
    lock.write_text("flask==3")
    corpus.prepared(case, "leaky", cache)
    assert asked[2:] == [str(lock), "flask"] and (cache / "one.leaky" / corpus.UNLOCKED).exists()
    row = corpus.Scored(case, "fixed", {"verdict": "clean"}, locked=False).line()
    assert row.endswith("| ok, not the packages of its lock |")


def test_a_pause_is_one_that_a_reading_had(capsys):
    """The longest stretch of each reading counts, not the least that each stretch took in any of them."""
    found = [pause.Measured({"list": one, "gc_found": 70.0 - one}, 80.0, 80.0, 90.0) for one in (10.0, 60.0, 11.0)]
    assert pause.row("a reading", found, 100.0, 50.0) == 60.0
    out = capsys.readouterr().out
    assert "least: list 10.0 ms, gc_found 10.0 ms" in out
    assert "longest 60.0 ms (median; 59.0 to 60.0)" in out and "MISSED" in out
