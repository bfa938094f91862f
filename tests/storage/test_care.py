"""The size of a store, and giving back what it does not need, on both databases."""

from __future__ import annotations

import math

from soak_storage import Store, care, tables
from soak_storage.records import SampleRow

STEP = 20  # pages


def test_size_and_vacuum(store: Store, run: int) -> None:
    """What is left after a vacuum is still there; an SQLite file is then about as small as it was without the rest."""
    care.vacuum(store.engine)
    small = care.size(store.engine)
    store.write(run, [SampleRow(float(t), "rss", "bytes", t + 0.5) for t in range(20_000)])
    before = care.size(store.engine)
    assert before > small + 300_000
    with store.writing() as connection:
        connection.execute(tables.samples.delete().where(tables.samples.c.ms > 1000))
    care.vacuum(store.engine)
    assert len(store.samples(store.series(run)[0].id)[0]) == 2
    if store.engine.dialect.name == "sqlite":
        assert care.size(store.engine) < 1.1 * small < before / 2


def test_room_is_given_back_in_small_pieces(store: Store, run: int) -> None:
    """An SQLite file shrinks by so many pages at a time while others write; Postgres has its autovacuum."""
    store.write(run, [SampleRow(float(t), "rss", "bytes", t + 0.5) for t in range(20_000)])
    with store.writing() as connection:
        connection.execute(tables.samples.delete())
    if store.engine.dialect.name == "postgresql":
        assert not care.give_back(store.engine, STEP)
        return
    free, size = pages(store, "freelist_count"), pages(store, "page_count")
    assert free > 3 * STEP
    rounds = 0
    while care.give_back(store.engine, STEP):
        rounds += 1
    assert rounds == math.ceil(free / STEP)
    assert (pages(store, "freelist_count"), pages(store, "page_count")) == (0, size - free)


def pages(store: Store, which: str) -> int:
    """A count that SQLite keeps of its file."""
    with store.engine.connect() as connection:
        return int(connection.exec_driver_sql(f"PRAGMA {which}").scalar_one())
