"""How large the store is, and giving back what it no longer needs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from soak_storage.engine import available, open_engine, schema_version, upgrade


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What an upgrade changed: schema versions (None: an empty file) and sizes in bytes."""

    url: str
    before: str | None
    after: str | None
    size_before: int
    size_after: int


def upgrade_store(url: str) -> Upgrade:
    """Bring the schema of an existing store up to date, and say what that changed."""
    engine = open_engine(url, create=False)
    try:
        before, size_before = schema_version(engine), size(engine)
        upgrade(engine)
        shown = engine.url.render_as_string(hide_password=True)
        return Upgrade(shown, before, schema_version(engine), size_before, size(engine))
    finally:
        engine.dispose()


def size(engine: sa.Engine) -> int:
    """Bytes on disk: of the database, and of the -wal file beside it."""
    if engine.dialect.name == "postgresql":
        with available(engine), engine.connect() as connection:
            return int(connection.scalar(sa.select(sa.func.pg_database_size(sa.func.current_database()))) or 0)
    path = Path(engine.url.database or "")
    return sum(file.stat().st_size for file in (path, path.with_name(path.name + "-wal")) if file.exists())


def vacuum(engine: sa.Engine) -> None:
    """Rewrite the database without its free pages.

    SQLite locks the store meanwhile and needs as much room again on its disk. Postgres keeps working; it makes the room
    usable again but returns little of it to the system.
    """
    with available(engine):
        if engine.dialect.name == "postgresql":
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("VACUUM (ANALYZE)")
            return
        _outside_transaction(engine, "PRAGMA auto_vacuum = INCREMENTAL", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)")


def give_back(engine: sa.Engine, pages: int) -> bool:
    """Return up to `pages` free pages of an SQLite file to the disk; False when there were none."""
    if engine.dialect.name == "postgresql":  # its autovacuum does that
        return False
    with available(engine):
        before = _outside_transaction(engine, "PRAGMA freelist_count")
        if not before:
            return False
        _step_to_the_end(engine, f"PRAGMA incremental_vacuum({pages})")
        return bool(_outside_transaction(engine, "PRAGMA freelist_count") < before)


def _step_to_the_end(engine: sa.Engine, statement: str) -> None:
    """The driver stops after the first step of a statement without columns: that would free a single page."""
    connection = engine.raw_connection()
    try:
        connection.driver_connection.executescript(statement)  # type: ignore[union-attr]  # it is open
    finally:
        connection.close()


def _outside_transaction(engine: sa.Engine, *statements: str) -> Any:
    """Run statements that SQLite refuses inside a transaction; the first value of the last one."""
    connection = engine.raw_connection()
    try:
        row = None
        for statement in statements:
            row = connection.driver_connection.execute(statement).fetchall()  # type: ignore[union-attr]  # it is open
        return row[0][0] if row else 0
    finally:
        connection.close()
