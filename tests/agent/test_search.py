"""The search for garbage by itself: what it lets go of, and where it says nothing."""

from __future__ import annotations

import gc
import threading
from typing import Any

import pytest

from soak_agent import garbage
from soak_agent.garbage import Search
from soak_agent.stretches import Stretches


def test_a_tuple_that_is_being_filled_is_let_go_of() -> None:
    """`tuple(generator)` in another thread ends well though it ends while the search is under way."""
    seen, go, item = threading.Event(), threading.Event(), [1]
    made: list[tuple[list[int], ...]] = []

    def slowly() -> Any:
        yield item
        seen.set()
        go.wait()

    def fill() -> None:
        made.append(tuple(slowly()))

    thread = threading.Thread(target=fill)
    thread.start()
    seen.wait()
    unfinished = [
        one for one in gc.get_objects() if type(one) is tuple and any(it is item for it in gc.get_referents(one))
    ]
    stretches = Stretches()

    def breath(_: float) -> None:
        go.set()
        thread.join()

    stretches.sleep = breath
    assert Search(stretches, bool).among(unfinished) == 0
    assert made == [(item,)]


def test_it_says_nothing_where_it_cannot_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container too large to be listed in one go, hidden references, no memory, a fork, no time, too many."""
    search = Search(Stretches(), bool)
    assert search.among([[], [[]]]) == 2
    assert search.among([[None] * (garbage.LARGEST + 1)]) is None
    monkeypatch.setattr(search, "referents", lambda *_: [])
    assert search.among([[], [[]]]) is None
    monkeypatch.undo()
    monkeypatch.setattr(garbage, "room_for", lambda _: "none")
    assert search.among([[], [[]]]) is None
    monkeypatch.undo()
    monkeypatch.setattr(search, "stop", lambda: True)
    assert search.among([[], [[]]]) is None
    monkeypatch.undo()
    monkeypatch.setattr(garbage, "PATIENCE", -1.0)
    assert search.among([[], [[]]]) is None
    monkeypatch.undo()
    monkeypatch.setattr(garbage, "MOST", 1)
    assert search.among([[], [[]]]) is None
    monkeypatch.undo()
    assert (search.tables, search.beyond) == ({}, {})
    assert search.among([[], [[]]]) == 2
    search.forget()
    assert (search.tables, search.beyond) == ({}, {})


def test_what_was_found_is_let_go_of_when_it_is_to_stop() -> None:
    """At a fork, which would leave the child with our references."""
    stop: list[bool] = []
    search = Search(Stretches(), lambda: bool(stop))
    search.ends = float("inf")
    item: list[Any] = []
    number = garbage.number_of(item)
    search.tables[number >> garbage.TABLE][number >> garbage.GRAIN & garbage.PLACES] = garbage.UNREACHED
    assert search.lost([item, [item]]) == [item]
    stop.append(True)
    objects = [item]
    assert (search.lost(objects), objects) == ([], [])
