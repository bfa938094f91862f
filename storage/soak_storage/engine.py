"""Opens the database behind a URL: private files, the right transactions, and the schema brought up to date.

SQLite runs in WAL mode with `synchronous=NORMAL`: a commit survives the death of every process (kill -9 included); a
power cut may take the last commits but never corrupts. FULL would survive that too for one fsync per batch, which the
service would pay twice a second for months. Every transaction that writes begins with BEGIN IMMEDIATE, so two writers
queue for at most BUSY_SECONDS at its start instead of failing in its middle; the driver's own transactions are off.
"""

from __future__ import annotations

import importlib
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from soak.errors import SoakError, UsageError

HEAD = "0002"  # the newest file in migrations/versions; a test holds the two together
BUSY_SECONDS = 10.0
# Pages that a connection keeps, where SQLite would keep 2 MB and take hours to fill them. So many it allocates at once
# when it opens; the pages of a batch beyond them are read from the kernel's cache again, in microseconds.
CACHE_PAGES = 19
MOST_CONNECTIONS = 15  # at once; who asks beyond that waits
INCREMENTAL = 2  # as PRAGMA auto_vacuum says it
JOURNAL_LIMIT = 16 << 20  # bytes to which a -wal file that a long reader let grow is cut back
# SQLSTATEs that pass, though Postgres' driver counts them as internal errors, as it does a fault of ours or a broken
# index: the server is read-only (a failover, a full disk), a transaction took too long (the machine stood still).
FOR_NOW = ("25006", "25P03", "25P04")
MIGRATION_LOCK = 0x50A4  # of pg_advisory_xact_lock: two daemons that start at once migrate one after the other


def open_engine(url: str, *, create: bool) -> sa.Engine:
    """An engine whose `writing` transactions are immediate; the schema is not looked at yet."""
    parsed = _parse(url)
    shown = parsed.render_as_string(hide_password=True)
    if parsed.get_backend_name() == "sqlite":
        _prepare_file(parsed.database, create=create)
        engine = _sqlite_engine(parsed)
    else:
        engine = _postgres_engine(parsed)
    try:
        with engine.connect():
            pass
    except sa.exc.DatabaseError as error:
        engine.dispose()
        raise SoakError("store_unusable", url=shown, why=_first_line(error)) from error
    return engine


def _parse(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise UsageError("store_url", url=url.partition("://")[0]) from error
    if parsed.get_backend_name() == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        raise UsageError("store_url", url=parsed.render_as_string(hide_password=True))
    return parsed


def _prepare_file(database: str | None, *, create: bool) -> None:
    """Make sure that the file exists and is ours alone, before SQLite would create it with the umask's rights.

    SQLite gives the -wal and -shm files the rights of the database file. Folders that exist keep theirs.
    """
    path = Path(database or "")
    if path.exists():
        return
    if not create:
        raise SoakError("no_store", path=path)
    try:
        for folder in reversed([parent for parent in path.parents if not parent.exists()]):
            folder.mkdir(mode=0o700, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise SoakError("store_unusable", url=path, why=error.strerror) from error


def _postgres_engine(url: sa.URL) -> sa.Engine:
    try:
        return sa.create_engine(url, pool_pre_ping=True, pool_size=2, connect_args={"connect_timeout": 10})
    except ModuleNotFoundError as error:
        raise SoakError("store_driver", module=error.name) from error


def _sqlite_engine(url: sa.URL) -> sa.Engine:
    path = Path(url.database or "")
    if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
        # One connection stays open. Another thread that needs one meanwhile has it for that moment: kept, it would hold
        # its memory and descriptors from the first coincidence on, hours after the start.
        options = {"pool_size": 1, "max_overflow": MOST_CONNECTIONS - 1}
        known = {"timeout": BUSY_SECONDS, "check_same_thread": False}
        engine = sa.create_engine(url, connect_args=known, **options)
        sa.event.listen(engine, "connect", _on_connect)
    else:
        engine = sa.create_engine(url, creator=lambda: _connect_read_only(path))
    sa.event.listen(engine, "begin", _on_begin)
    return engine


def _connect_read_only(path: Path) -> sqlite3.Connection:
    """A store that may only be read, such as an artifact of a CI job: WAL would want to write beside it.

    `immutable` leaves the -wal file out, so one that holds commits is refused rather than overlooked.
    """
    wal = path.with_name(path.name + "-wal")
    if wal.exists() and wal.stat().st_size:
        raise sqlite3.OperationalError(f"it may only be read, and {wal.name} beside it is not merged into it")
    uri = f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1"
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)


def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself: `_on_begin` does
    cursor = connection.cursor()
    if cursor.execute("PRAGMA auto_vacuum").fetchone()[0] != INCREMENTAL:  # to set it again would write a page
        cursor.execute("PRAGMA auto_vacuum = INCREMENTAL")  # only heard while the file is empty
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute(f"PRAGMA journal_size_limit = {JOURNAL_LIMIT}")
    cursor.execute(f"PRAGMA cache_size = {CACHE_PAGES}")
    cursor.execute("PRAGMA cache_spill = OFF")  # what a transaction changes is written once, at its end
    _use_wal(cursor)
    cursor.close()


def _use_wal(cursor: sqlite3.Cursor) -> None:
    """Switch to WAL unless it is; SQLite does not wait by itself when another process is just doing the same."""
    deadline = time.monotonic() + BUSY_SECONDS
    while cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        with suppress(sqlite3.OperationalError):
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        if time.monotonic() > deadline:
            raise sqlite3.OperationalError("database is locked")
        time.sleep(0.02)


def _on_begin(connection: sa.Connection) -> None:
    immediate = connection.get_execution_options().get("soak_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


class StoreUnavailable(SoakError):
    """The database cannot be read or written now (locked, disk full, server away): may work when tried again."""


@contextmanager
def available(engine: sa.Engine) -> Iterator[None]:
    """What the database refuses for reasons outside the statement becomes StoreUnavailable."""
    try:
        yield
    except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError, sqlite3.OperationalError) as error:
        raise StoreUnavailable("store_unavailable", url=_shown(engine), why=_first_line(error)) from error
    except sa.exc.InternalError as error:
        if getattr(error.orig, "sqlstate", None) not in FOR_NOW:
            raise
        raise StoreUnavailable("store_unavailable", url=_shown(engine), why=_first_line(error)) from error


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One transaction that writes: committed at the end, or nothing of it."""
    with engine.connect() as connection:
        connection = connection.execution_options(soak_writes=True)
        with connection.begin():
            yield connection


def schema_version(engine: sa.Engine) -> str | None:
    """The migration that the database is at; None while it is empty."""
    with available(engine), engine.connect() as connection:
        return _version(connection)


def _version(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    value: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return value


def upgrade(engine: sa.Engine) -> bool:
    """Bring the schema to HEAD, in one transaction that either happens whole or not at all; True if it had to.

    alembic is imported only when there is something to do: it costs start-up time and memory. It is imported before the
    lock is taken: on a busy machine that can last longer than somebody else waits for the lock.
    """
    if schema_version(engine) == HEAD:
        return False
    for module in ("alembic.command", "alembic.config"):
        importlib.import_module(module)
    with available(engine), writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
        version = _version(connection)  # again: somebody may have been faster
        if version is not None and version > HEAD:
            raise SoakError("store_newer", url=_shown(engine), found=version, known=HEAD)
        if version != HEAD:
            _run_migrations(connection)
    return True


def _run_migrations(connection: sa.Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _shown(engine: sa.Engine) -> str:
    return engine.url.render_as_string(hide_password=True)


def _first_line(error: BaseException) -> str:
    cause: Any = getattr(error, "orig", None) or error
    return (str(cause).splitlines() or [type(cause).__name__])[0]
