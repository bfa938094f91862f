"""What is written comes back, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from soak.errors import SoakError
from soak_storage import Store
from soak_storage.records import (
    AnalysisRow,
    CycleRow,
    EventRow,
    HandleRow,
    LoadCycleRow,
    LoadWindowRow,
    OwnedRow,
    ProcessRow,
    ReadingRow,
    SampleRow,
    SegmentRow,
    SiteRow,
    TypeRow,
)

INNER = (("/app/main.py", 10, "<module>"), ("/app/cache.py", 57, "handler"))
OTHER = (("/app/main.py", 10, "<module>"), ("/app/pool.py", 3, "get"))


def reading(t: float, cycle: int, *sites: SiteRow, process: str = "7:main", **rest: object) -> ReadingRow:
    return ReadingRow(t=t, cycle=cycle, process=process, sites=sites, **rest)  # type: ignore[arg-type]  # the caller's


def test_a_run_keeps_what_it_began_with(store: Store, begin: Callable[..., int]) -> None:
    """Every fact of the start can be read again, and the run is running."""
    run_id = begin(version="abc123", owner_pid=77, owner_start=88)
    run = store.run(run_id)
    assert (run.id, run.name, run.host, run.status) == (run_id, "orders-api", "here", "running")
    assert (run.started, run.cycle_seconds, run.quiet_seconds, run.cycles_planned) == (1_767_225_600.0, 60.0, 9.0, 6)
    assert (run.version, run.owner_pid, run.owner_start) == ("abc123", 77, 88)
    assert run.config == {"load": {"high": 50}}
    assert run.target == {"command": ["python", "app.py"]}
    assert (run.ended, run.verdict, run.exit_code, run.error) == (None, None, None, None)


def test_a_run_ends_with_status_and_error(store: Store, run: int) -> None:
    """The end, its duration and the error are kept beside the start."""
    store.update_run(run, target={"pids": [7]}, version="abc", cycles_planned=9)
    store.end_run(run, "failed", 1_767_225_700.0, duration_s=99.5, error={"code": "target_died"})
    ended = store.run(run)
    assert (ended.status, ended.ended, ended.duration_s) == ("failed", 1_767_225_700.0, 99.5)
    assert (ended.error, ended.target, ended.version) == ({"code": "target_died"}, {"pids": [7]}, "abc")
    assert ended.cycles_planned == 9


def test_the_latest_run_is_the_default(store: Store, begin: Callable[..., int]) -> None:
    """Latest means started last, whatever the order of the ids."""
    late = begin(started=2000.0)
    begin(started=1000.0)
    assert store.run().id == late
    assert [run.started for run in store.runs()] == [2000.0, 1000.0]
    assert [run.started for run in store.runs(limit=1)] == [2000.0]


def test_runs_can_be_chosen_by_name(store: Store, begin: Callable[..., int]) -> None:
    """A list for one target leaves out the others."""
    mine = begin(name="a")
    begin(name="b")
    assert [run.id for run in store.runs(name="a")] == [mine]


def test_no_run_is_an_error_with_advice(store: Store) -> None:
    """An empty store and an unknown number are told, not guessed."""
    with pytest.raises(SoakError) as empty:
        store.run()
    with pytest.raises(SoakError) as unknown:
        store.run(99)
    assert empty.value.code == unknown.value.code == "no_run"
    assert "soak runs" in unknown.value.next_step


def test_samples_come_back_by_time_with_gaps_as_nan(store: Store, run: int) -> None:
    """A gap stays a gap, whether the probe said None or something that is no number."""
    values = [(0.25, 1.5), (0.5, None), (0.75, math.nan), (1.0, math.inf), (0.0, 3e15)]
    store.write(run, [SampleRow(t, "rss", "bytes", value, gates=True) for t, value in values])
    (series,) = store.series(run)
    assert (series.name, series.unit, series.process, series.gates, series.role) == (
        "rss",
        "bytes",
        "total",
        True,
        "total",
    )
    times, found = store.samples(series.id)
    assert list(times) == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert [None if math.isnan(value) else value for value in found] == [3e15, 1.5, None, None, None]


def test_a_series_is_its_name_and_process(store: Store, run: int, begin: Callable[..., int]) -> None:
    """Processes and runs do not share series; totals are listed first."""
    other = begin()
    names = [("rss", "8:worker"), ("rss", "total"), ("fds", "8:worker"), ("fds", "total")]
    store.write(run, [SampleRow(0.0, name, "count", 1.0, process) for name, process in names])
    store.write(other, [SampleRow(0.0, "rss", "count", 2.0)])
    listed = [(series.name, series.process, series.role) for series in store.series(run)]
    assert listed == [
        ("fds", "total", "total"),
        ("rss", "total", "total"),
        ("fds", "8:worker", "worker"),
        ("rss", "8:worker", "worker"),
    ]
    assert len(store.series(other)) == 1


def test_a_sample_written_twice_is_one_sample(store: Store, run: int) -> None:
    """A batch that is repeated after a lost answer changes nothing; the later value holds."""
    store.write(run, [SampleRow(1.0, "rss", "bytes", 5.0)])
    store.write(run, [SampleRow(1.0, "rss", "bytes", 6.0)])
    times, values = store.samples(store.series(run)[0].id)
    assert (list(times), list(values)) == ([1.0], [6.0])


def test_whether_a_series_gates_follows_the_last_word(store: Store, run: int) -> None:
    """pss may take over from rss in mid-run."""
    store.write(run, [SampleRow(1.0, "rss", "bytes", 5.0, gates=True)])
    store.write(run, [SampleRow(2.0, "rss", "bytes", 6.0, gates=False)])
    assert [series.gates for series in store.series(run)] == [False]


def test_the_course_of_a_run_comes_back(store: Store, run: int) -> None:
    """Cycles, segments and processes are what was written last under their key, in order."""
    cycles = [CycleRow(1, 60.0, 120.0, False, 1), CycleRow(0, 0.0, 60.0, True)]
    segments = [SegmentRow(0, 0.0, "start", "sampler"), SegmentRow(1, 61.5, "the target restarted", "sampler")]
    process = ProcessRow(7, 1234, "main", 0.0, 60.0, 0, "python", ("python", "app.py"))
    store.write(run, [*cycles, *segments, process])
    later = ProcessRow(7, 1234, "main", 0.0, 90.0, 0, "python", ("python", "app.py"))
    store.write(run, [CycleRow(1, 60.0, 120.0, True, 1), later])
    assert store.cycles(run) == [CycleRow(0, 0.0, 60.0, True), CycleRow(1, 60.0, 120.0, True, 1)]
    assert store.segments(run) == segments
    assert store.processes(run) == [later]


def test_an_event_with_a_key_is_closed_not_repeated(store: Store, run: int) -> None:
    """An outage under way has no end yet; written again with its key it has one. Without a key nothing is replaced."""
    store.write(run, [EventRow("outage", 5.0, None, {"why": "refused"}, key="1"), EventRow("restart", 4.0)])
    store.write(run, [EventRow("outage", 5.0, 8.0, {"why": "refused"}, key="1"), EventRow("restart", 4.0)])
    assert store.events(run) == [
        EventRow("restart", 4.0),
        EventRow("restart", 4.0),
        EventRow("outage", 5.0, 8.0, {"why": "refused"}, key="1"),
    ]


def test_load_comes_back_per_window_and_cycle(store: Store, run: int) -> None:
    """Counts, errors by kind and histograms are kept per scenario and cycle."""
    window = LoadWindowRow(0.0, 1.0, 0, "load", "list", due=5, sent=5, landed=4, failed=1, dropped=0)
    before = LoadCycleRow(0, "list", 1, 1, 1, 0, 0)
    after = LoadCycleRow(
        0, "list", 9, 9, 8, 1, 0, {"timeout": 1}, b"\x00l", b"s", b"r", True, {"duplicates": 0}, {"x": 1}
    )
    store.write(run, [window, before])
    store.write(run, [after])
    assert store.load_windows(run) == [window]
    assert store.load_cycles(run) == [after]


def test_a_reading_comes_back_without_its_parts(store: Store, run: int) -> None:
    """The list of readings is light: sites, types and handles have queries of their own."""
    row = ReadingRow(
        t=58.0,
        cycle=0,
        process="7:main",
        agent_mode="sampler",
        frames=8,
        collected=True,
        pause_ms=0.75,
        traced_bytes=1e6,
        agent_bytes=2e5,
        gc_objects=40_000,
        tasks=3,
        threads=2,
        types=(TypeRow("dict", 5),),
        warnings=("coroutine was never awaited",),
        detail={"top": 20},
    )
    store.write(run, [row])
    (found,) = store.readings(run)
    assert found.types == ()
    assert {name: getattr(found, name) for name in ReadingRow.__slots__ if name != "types"} == {
        name: getattr(row, name) for name in ReadingRow.__slots__ if name != "types"
    }


def test_sites_come_back_per_stack_by_time(store: Store, run: int) -> None:
    """Each stack has its frames, innermost last, and a point per reading that named it, with what survives by birth."""
    store.write(run, [reading(118.0, 1, SiteRow(INNER, 300.0, 3.0, 1.5, births={0: 100, 1: 200}))])
    store.write(run, [reading(58.0, 0, SiteRow(INNER, 100.0, 1.0), SiteRow(OTHER, 9.0, 1.0, partial=True))])
    sites = {series.stack: series for series in store.sites(run)}
    assert set(sites) == {INNER, OTHER}
    points = [(p.t, p.cycle, p.process, p.bytes, p.count, p.error, p.births) for p in sites[INNER].points]
    assert points == [
        (58.0, 0, "7:main", 100.0, 1.0, None, {}),
        (118.0, 1, "7:main", 300.0, 3.0, 1.5, {0: 100, 1: 200}),
    ]
    assert (sites[OTHER].partial, sites[INNER].partial) == (True, False)


def test_one_stack_named_twice_in_a_reading_is_added_up(store: Store, run: int) -> None:
    """Bytes and blocks add, standard errors in quadrature: sqrt(3*3 + 4*4) = 5."""
    store.write(run, [reading(1.0, 0, SiteRow(INNER, 10.0, 1.0, 3.0), SiteRow(INNER, 20.0, 2.0, 4.0))])
    (point,) = store.sites(run)[0].points
    assert (point.bytes, point.count, point.error) == (30.0, 3.0, 5.0)


def test_python_and_native_memory_of_one_stack_are_two_series(store: Store, run: int) -> None:
    """What malloc gave is not mixed with what Python's allocator gave."""
    store.write(run, [reading(1.0, 0, SiteRow(INNER, 10.0, 1.0), SiteRow(INNER, 20.0, 1.0, domain="native"))])
    assert {(site.domain, site.points[0].bytes) for site in store.sites(run)} == {("python", 10.0), ("native", 20.0)}


def test_a_reading_written_again_replaces_its_parts(store: Store, run: int) -> None:
    """A repeated batch does not double what a process holds."""
    for size in (10.0, 11.0):
        row = reading(1.0, 0, SiteRow(INNER, size, 1.0, births={0: 1}), types=(TypeRow("dict", 1),))
        store.write(run, [row])
    assert len(store.readings(run)) == 1
    assert [point.bytes for point in store.sites(run)[0].points] == [11.0]
    assert len(store.types(run)[0].points) == 1


def test_types_and_handles_come_back(store: Store, run: int) -> None:
    """Types by name, handles by kind and birth place."""
    handles = (HandleRow("fd", 2, INNER, "/tmp/x"), HandleRow("fd", 1, INNER, "/tmp/y"), HandleRow("thread", 1, OTHER))
    store.write(run, [reading(1.0, 0, types=(TypeRow("dict", 5, 500), TypeRow("list", 6)), handles=handles)])
    types = {series.type: (series.points[0].count, series.points[0].bytes) for series in store.types(run)}
    assert types == {"dict": (5, 500), "list": (6, None)}
    found = {(series.kind, series.stack): [(p.count, p.detail) for p in series.points] for series in store.handles(run)}
    assert found == {("fd", INNER): [(2, "/tmp/x"), (1, "/tmp/y")], ("thread", OTHER): [(1, "")]}


def test_frames_are_kept_once_for_all_runs(store: Store, run: int, begin: Callable[..., int]) -> None:
    """The same stack in two runs is the same row, so a year of nights does not repeat its paths."""
    store.write(run, [reading(1.0, 0, SiteRow(INNER, 1.0, 1.0))])
    other = begin()
    store.write(other, [reading(1.0, 0, SiteRow(INNER, 1.0, 1.0))])
    assert store.sites(run)[0].stack_id == store.sites(other)[0].stack_id


def test_hostile_names_are_stored(store: Store, run: int) -> None:
    """NUL, undecodable bytes and very long names reach every database as text, and do not end a soak."""
    stack = (("/app/\x00\udcff" + "x" * 9000, 1, "f" * 9000),)
    process = ProcessRow(7, 1, "main", 0.0, 1.0, 0, "\udcff", ("\udcffx\x00",))
    store.write(run, [reading(1.0, 0, SiteRow(stack, 1.0, 1.0), types=(TypeRow("t" * 9000, 1),)), process])
    ((file, line, function),) = store.sites(run)[0].stack
    assert line == 1
    assert len(file) <= 600
    assert len(function) <= 600
    assert store.processes(run)[0].pid == 7


def test_only_the_latest_analysis_is_kept_and_its_verdict_is_the_runs(store: Store, run: int) -> None:
    """A list of runs shows the verdict without opening a report; NaN becomes null."""
    assert store.latest_analysis(run) is None
    store.write(run, [AnalysisRow(60.0, {"verdict": "inconclusive", "exit_code": 3}, cycle=0)])
    store.write(run, [AnalysisRow(360.0, {"verdict": "leak", "exit_code": 1, "x": math.nan})])
    assert store.latest_analysis(run) == {"verdict": "leak", "exit_code": 1, "x": None}
    assert (store.runs()[0].verdict, store.runs()[0].exit_code) == ("leak", 1)


def test_a_batch_is_all_or_nothing(store: Store, run: int) -> None:
    """One record that the database refuses takes back the whole batch, and what was learned in it."""
    bad = LoadWindowRow(0.0, 1.0, 0, "load", None, 1, 1, 1, 0, 0)  # type: ignore[arg-type]  # that is the point
    with pytest.raises(Exception, match="scenario"):
        store.write(run, [SampleRow(1.0, "rss", "bytes", 5.0), reading(1.0, 0, SiteRow(INNER, 1.0, 1.0)), bad])
    assert (store.series(run), store.readings(run)) == ([], [])
    store.write(run, [SampleRow(1.0, "rss", "bytes", 5.0), reading(1.0, 0, SiteRow(INNER, 1.0, 1.0))])
    assert len(store.sites(run)) == len(store.series(run)) == 1


def test_what_soak_started_is_known_until_it_is_gone(store: Store, begin: Callable[..., int]) -> None:
    """The next start ends what a crash left, on its own host only."""
    here, there = begin(host="here"), begin(host="there")
    store.write(here, [OwnedRow(7, 1, "target"), OwnedRow(8, 2, "load worker")])
    store.write(there, [OwnedRow(7, 1, "target")])
    store.write(here, [OwnedRow(8, 2, gone=True)])
    assert store.owned_processes(host="here") == [(here, OwnedRow(7, 1, "target"))]
    assert len(store.owned_processes()) == 2
