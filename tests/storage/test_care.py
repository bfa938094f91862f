"""The size of a store, and giving back what it does not need, on both databases."""

from __future__ import annotations

from soak_storage import Store, care, tables
from soak_storage.records import SampleRow


def test_size_and_vacuum(store: Store, run: int) -> None:
    """A store is some kilobytes at least; after a vacuum everything is still there."""
    store.write(run, [SampleRow(float(t), "rss", "bytes", t + 0.5) for t in range(20_000)])
    before = care.size(store.engine)
    assert before > 300_000
    with store.writing() as connection:
        connection.execute(tables.samples.delete().where(tables.samples.c.ms > 1000))
    care.vacuum(store.engine)
    assert len(store.samples(store.series(run)[0].id)[0]) == 2


def test_room_is_given_back_in_small_pieces(store: Store, run: int) -> None:
    """An SQLite file shrinks page by page while others write; Postgres has its autovacuum."""
    store.write(run, [SampleRow(float(t), "rss", "bytes", t + 0.5) for t in range(20_000)])
    with store.writing() as connection:
        connection.execute(tables.samples.delete())
    rounds = 0
    while care.give_back(store.engine, 20):
        rounds += 1
    assert rounds > 3 or store.engine.dialect.name == "postgresql"
