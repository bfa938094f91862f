"""The few statements that SQLite and Postgres spell the same but SQLAlchemy keeps in two places."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite


def _insert(connection: sa.Connection, table: sa.Table) -> Any:
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql  # 2 MB that a daemon with an SQLite store need not carry

        return postgresql.insert(table)
    return sqlite.insert(table)


def inserted_id(connection: sa.Connection, table: sa.Table, values: Mapping[str, Any]) -> int:
    """INSERT one row; the id it was given."""
    key: Any = connection.execute(sa.insert(table).values(**values)).inserted_primary_key
    return int(key[0])


def insert_ignore(connection: sa.Connection, table: sa.Table) -> sa.Insert:
    """INSERT that leaves a row with the same key as it is."""
    statement: sa.Insert = _insert(connection, table).on_conflict_do_nothing()
    return statement


def upsert(connection: sa.Connection, table: sa.Table, key: Collection[str]) -> sa.Insert:
    """INSERT that replaces everything but the key of a row with the same `key`."""
    statement = _insert(connection, table)
    rest = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in (*key, "id")}
    replaced: sa.Insert = statement.on_conflict_do_update(index_elements=list(key), set_=rest)
    return replaced
