"""The few statements that SQLite and Postgres spell the same but SQLAlchemy keeps in two places."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite


def _insert(dialect: str, table: sa.Table) -> Any:
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql  # 2 MB that a daemon with an SQLite store need not carry

        return postgresql.insert(table)
    return sqlite.insert(table)


def inserted_id(connection: sa.Connection, table: sa.Table, values: Mapping[str, Any]) -> int:
    """INSERT one row; the id it was given."""
    key: Any = connection.execute(sa.insert(table).values(**values)).inserted_primary_key
    return int(key[0])


def insert_ignore(connection: sa.Connection, table: sa.Table) -> sa.Insert:
    """INSERT that leaves a row with the same key as it is."""
    return _ignoring(connection.dialect.name, table)


@cache
def _ignoring(dialect: str, table: sa.Table) -> sa.Insert:
    statement: sa.Insert = _insert(dialect, table).on_conflict_do_nothing()
    return statement


def upsert(connection: sa.Connection, table: sa.Table, key: Collection[str]) -> sa.Insert:
    """INSERT that replaces everything but the key of a row with the same `key`."""
    return _replacing(connection.dialect.name, table, tuple(key))


@cache  # one for each table: what SQLAlchemy makes of `excluded` is hundreds of objects, once a second
def _replacing(dialect: str, table: sa.Table, key: tuple[str, ...]) -> sa.Insert:
    statement = _insert(dialect, table)
    rest = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in (*key, "id")}
    replaced: sa.Insert = statement.on_conflict_do_update(index_elements=key, set_=rest)
    return replaced
