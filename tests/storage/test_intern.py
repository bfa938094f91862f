"""Ids are remembered up to a bound, and only once the transaction that made them is committed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from soak_storage import Store
from soak_storage.intern import Interner
from soak_storage.records import AnalysisRow, SampleRow


def stack(number: int) -> tuple[tuple[str, int, str], ...]:
    return (("/app/a.py", number, "f"),)


def test_the_memory_is_bounded_and_ids_stay_the_same(store: Store) -> None:
    """Ten stacks through a memory of three: what was forgotten is found again in the database."""
    interner = Interner(size=3)
    ids = []
    for _ in range(2):
        with store.writing() as connection:
            ids.append([interner.stack(connection, stack(number)) for number in range(10)])
        interner.commit()
        assert len(interner._ids) <= 3
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 10


def test_ids_of_a_transaction_that_failed_are_forgotten(store: Store) -> None:
    """Otherwise the next reading would refer to frames that are not there."""
    interner = Interner()
    with pytest.raises(RuntimeError), store.writing() as connection:
        interner.stack(connection, stack(1))
        raise RuntimeError
    interner.rollback()
    with store.writing() as connection:
        again = interner.stack(connection, stack(1))
    with store.engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT count(*) FROM stack_frames").scalar()
    assert (found, again > 0) == (1, True)


def test_the_same_frames_in_another_order_are_another_stack(store: Store) -> None:
    """And the empty stack is one, too."""
    interner = Interner()
    with store.writing() as connection:
        one = interner.stack(connection, (*stack(1), *stack(2)))
        other = interner.stack(connection, (*stack(2), *stack(1)))
        empty = interner.stack(connection, ())
    assert len({one, other, empty}) == 3


def test_what_was_learned_of_a_run_that_ended_is_forgotten(store: Store, begin: Callable[..., int]) -> None:
    """A service has a run every night: what it remembers of each would grow for months."""
    for run_id in [begin() for _ in range(3)]:
        with store.writing() as connection:
            store._interner.stack(connection, stack(run_id))
        store.write(run_id, [SampleRow(0.0, "rss", "bytes", 1.0)])
        assert len(store._interner._ids) > 1
        store.end_run(run_id, "completed", 1.0)
        store.write(run_id, [AnalysisRow(1.0, {"verdict": "clean"}, None)])
        assert not store._interner._ids and not store._beats
