"""Recycled workers go on as one series."""

from __future__ import annotations

from soak_probes.slots import Recycled, WorkerSlots


def test_a_successor_takes_the_place() -> None:
    """gunicorn with max_requests: 11 goes after 60 s, 13 comes from the same master and goes on as 11."""
    slots = WorkerSlots()
    slots.update({(11, 1): 10, (12, 2): 10}, 0.0)
    slots.update({(12, 2): 10}, 60.0)
    slots.update({(12, 2): 10, (13, 9): 10}, 61.0)
    assert (slots.place((13, 9)), slots.place((12, 2))) == (11, 12)
    assert slots.take_recycled() == [Recycled(11, 13, 60.0)]
    assert slots.take_recycled() == []


def test_the_place_keeps_its_name_for_good() -> None:
    """Through any number of successors, also when old and new are seen in the same look."""
    slots = WorkerSlots()
    slots.update({(11, 1): 10}, 0.0)
    slots.update({(12, 2): 10}, 5.0)
    slots.update({(13, 3): 10}, 8.0)
    assert slots.place((13, 3)) == 11
    assert [one.lived for one in slots.take_recycled()] == [5.0, 3.0]


def test_scaling_up_is_not_recycling() -> None:
    """A worker more while none has gone opens a place of its own."""
    slots = WorkerSlots()
    slots.update({(11, 1): 10}, 0.0)
    slots.update({(11, 1): 10, (12, 2): 10}, 5.0)
    assert slots.place((12, 2)) == 12
    assert slots.take_recycled() == []


def test_another_masters_worker_is_no_successor() -> None:
    """After a master was replaced its workers begin anew."""
    slots = WorkerSlots()
    slots.update({(11, 1): 10}, 0.0)
    slots.update({(21, 2): 20}, 5.0)
    assert slots.place((21, 2)) == 21


def test_a_reused_pid_is_a_successor_like_any_other() -> None:
    """The same number with another start time is another worker."""
    slots = WorkerSlots()
    slots.update({(11, 1): 10}, 0.0)
    slots.update({(11, 7): 10}, 5.0)
    assert slots.place((11, 1)) is None
    assert slots.take_recycled() == [Recycled(11, 11, 5.0)]
