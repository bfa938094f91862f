"""Frames, stacks, types and series are stored once; here are their ids, with the recent ones kept in memory.

An id learned inside a transaction is remembered only once that transaction is committed. Another process may prune an
id that is remembered here: the foreign keys then refuse the rows, and the writer forgets everything and tries again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from hashlib import blake2b
from typing import Any

import sqlalchemy as sa

from soak_storage import tables
from soak_storage.records import Frame, Stack
from soak_storage.redact import plain
from soak_storage.sql import insert_ignore

CACHED = 20_000  # ids: about 5 MB at the worst; a run has some hundreds of stacks
LONGEST = 600  # characters of a file, function or type name: a Postgres index takes 2,700 bytes a row


class Interner:
    """Ids for texts that repeat, within one transaction at a time."""

    def __init__(self, size: int = CACHED) -> None:
        self._size = size
        self._ids: OrderedDict[Hashable, int] = OrderedDict()
        self._pending: dict[Hashable, int] = {}

    def commit(self) -> None:
        """The transaction is through: its ids hold."""
        self._ids.update(self._pending)
        self._pending.clear()
        while len(self._ids) > self._size:
            self._ids.popitem(last=False)

    def rollback(self) -> None:
        """The transaction never happened: neither did its ids."""
        self._pending.clear()

    def forget(self) -> None:
        """Learn every id anew."""
        self._pending.clear()
        self._ids.clear()

    def series(self, connection: sa.Connection, run_id: int, name: str, process: str, unit: str, gates: bool) -> int:
        """The id of a series of a run; the unit and whether it gates are as they were last said."""
        key = ("series", run_id, name, process)
        known = self._find((*key, unit, gates))
        if known is not None:
            return known
        row = {"run_id": run_id, "name": name, "process": process}
        series_id = self._row(connection, tables.series, row, {"unit": unit, "gates": gates})
        connection.execute(
            sa.update(tables.series).where(tables.series.c.id == series_id).values(unit=unit, gates=gates)
        )
        self._pending[(*key, unit, gates)] = series_id
        return series_id

    def type(self, connection: sa.Connection, name: str) -> int:
        """The id of a type name."""
        name = plain(name)[:LONGEST]
        return self._interned(connection, tables.types, {"name": name})

    def stack(self, connection: sa.Connection, stack: Stack) -> int:
        """The id of a stack, with its frames."""
        known = self._find(stack)
        if known is not None:
            return known
        frames = [_clean(frame) for frame in stack]
        digest = blake2b(repr(frames).encode(), digest_size=16).digest()
        found = connection.scalar(sa.select(tables.stacks.c.id).where(tables.stacks.c.digest == digest))
        if found is None:
            found = self._new_stack(connection, digest, frames)
        self._pending[stack] = found
        return int(found)

    def _new_stack(self, connection: sa.Connection, digest: bytes, frames: list[Frame]) -> int:
        stack_id = self._row(connection, tables.stacks, {"digest": digest}, {})
        rows = [
            {"stack_id": stack_id, "position": position, "frame_id": self._frame(connection, frame)}
            for position, frame in enumerate(frames)
        ]
        if rows:
            connection.execute(insert_ignore(connection, tables.stack_frames), rows)
        return stack_id

    def _frame(self, connection: sa.Connection, frame: Frame) -> int:
        file, line, function = frame
        return self._interned(connection, tables.frames, {"file": file, "line": line, "function": function})

    def _interned(self, connection: sa.Connection, table: sa.Table, row: dict[str, Any]) -> int:
        key = (table.name, *row.values())
        known = self._find(key)
        if known is None:
            known = self._pending[key] = self._row(connection, table, row, {})
        return known

    def _find(self, key: Hashable) -> int | None:
        if key in self._ids:
            self._ids.move_to_end(key)
            return self._ids[key]
        return self._pending.get(key)

    @staticmethod
    def _row(connection: sa.Connection, table: sa.Table, key: dict[str, Any], rest: dict[str, Any]) -> int:
        connection.execute(insert_ignore(connection, table), [{**key, **rest}])
        wanted = sa.and_(*(table.c[name] == value for name, value in key.items()))
        return int(connection.execute(sa.select(table.c.id).where(wanted)).scalar_one())


def _clean(frame: Frame) -> Frame:
    file, line, function = frame
    return plain(str(file))[-LONGEST:], int(line or 0), plain(str(function))[:LONGEST]
