"""The books of the load: nothing is counted twice and nothing is lost between windows and cycles."""

from __future__ import annotations

import pickle

from soak.load import LoadDelta
from soak.loadbook import LoadBook
from soak_storage.records import EventRow, LoadCycleRow, LoadWindowRow


def delta(t0: float, cycle: int = 0, **facts: object) -> LoadDelta:
    """One second of one scenario."""
    return LoadDelta(t0, t0 + 1.0, cycle, "work", **{"due": 10, "sent": 10, "landed": 10, **facts})  # type: ignore[arg-type]


def test_windows_are_joined_up_to_their_length_and_never_across_a_phase() -> None:
    """Twelve seconds of deltas in 5 s windows with quiet from second 8 on: 5 + 3 and 4 seconds."""
    book = LoadBook(cycle_seconds=12.0, quiet_seconds=4.0, window_seconds=5.0)
    rows = [row for t in range(12) for row in book.add([delta(float(t))])]
    rows += book.windows()
    assert [(row.t0, row.t1, row.phase, row.landed) for row in rows if isinstance(row, LoadWindowRow)] == [
        (0.0, 5.0, "load", 50),
        (5.0, 8.0, "load", 30),
        (8.0, 12.0, "quiet", 40),
    ]


def test_windows_of_two_workers_never_have_one_key() -> None:
    """Both begin at 0: the store knows a window by scenario and millisecond, and keeps both."""
    book = LoadBook(cycle_seconds=10.0, quiet_seconds=2.0)
    rows = [row for t in range(8) for worker in (0, 1, 2) for row in book.add([delta(float(t), worker=worker)])]
    windows = [row for row in rows if isinstance(row, LoadWindowRow)]
    assert len({round(row.t0 * 1e3) for row in windows}) == len(windows) == 24
    assert all(abs(row.t0 - round(row.t0)) < 0.003 and row.t0 < row.t1 for row in windows)
    assert sum(row.landed for row in windows) == 240


def test_a_book_does_not_grow() -> None:
    """After an hour of windows it is as large as after half a minute."""
    book = LoadBook(cycle_seconds=20.0, quiet_seconds=5.0)
    sizes = []
    for second in range(3600):
        rows = list(book.add([delta(float(second), second // 20)]))
        rows += book.close(second // 20)
        sizes.append(len(pickle.dumps(book)))
    assert sizes[-1] < 1.2 * sizes[30]


def test_a_cycle_is_summed_by_scenario_and_corrected_by_a_late_delta() -> None:
    """A delta that comes after its cycle was closed is in the row that is written when the next cycle closes."""
    book = LoadBook(cycle_seconds=10.0, quiet_seconds=2.0)
    list(book.add([delta(0.0, errors={"timeout": 2}), delta(1.0)]))
    first = list(book.close(1))
    list(book.add([delta(9.0, landed=1, due=0, sent=0)]))
    second = list(book.close(2))
    assert [(row.cycle, row.landed, row.failed, dict(row.errors)) for row in first] == [(0, 20, 2, {"timeout": 2})]
    assert [(row.cycle, row.landed) for row in second] == [(0, 21)]
    assert list(book.close()) == []
    assert (book.due, book.landed, book.failed) == (20, 21, 2)


def test_outages_and_dead_workers_become_events() -> None:
    """What interrupted the load is an event with its reason; an outage that lasts is written again under its key."""
    book = LoadBook(cycle_seconds=10.0, quiet_seconds=2.0)
    rows = list(book.add([delta(0.0, outages=[(0.5, None, "refused")], gaps=[(0.2, 0.4, "worker 0 ended with -9")])]))
    events = [row for row in rows if isinstance(row, EventRow)]
    assert [(event.kind, event.t0, event.t1) for event in events] == [("gap", 0.2, 0.4), ("outage", 0.5, None)]
    again = [row for row in book.add([delta(1.0, outages=[(0.5, 3.0, "refused")])]) if isinstance(row, EventRow)]
    assert again[0].key == events[1].key and again[0].t1 == 3.0


def test_an_idle_second_leaves_no_row() -> None:
    """Nothing due, nothing sent: nothing to store."""
    book = LoadBook(cycle_seconds=10.0, quiet_seconds=2.0)
    assert list(book.add([delta(0.0, due=0, sent=0, landed=0)])) == []
    assert all(isinstance(row, LoadCycleRow) for row in book.close())


def test_a_cycle_without_a_single_answer_is_told_from_one_with_errors() -> None:
    """Failed requests and no response: the usual kind of error. A response, or an injected fault, is an answer."""
    book = LoadBook(cycle_seconds=10.0, quiet_seconds=2.0)
    refused = {"errors": {"refused": 9, "timeout": 1}, "landed": 0}
    list(book.add([delta(0.0, cycle=0, **refused), delta(10.0, cycle=1, **refused), delta(20.0, cycle=2, **refused)]))
    list(book.add([delta(11.0, cycle=1), delta(21.0, cycle=2, landed=0, faulted={"abandon": 1})]))
    assert [book.unanswered(cycle) for cycle in range(4)] == ["refused", None, None, None]
