"""The check of kind sql: a query on a connection of its own, through the driver that the URL names."""

from __future__ import annotations

import sqlite3
import time
from urllib.parse import quote

from soak.checks.outcome import CheckFailed
from soak.config import Check

_LOOK_EVERY = 10_000  # steps of SQLite's machine, some 0.1 ms, between two looks at the clock
_POSTGRES = ("postgresql://", "postgres://", "postgresql+psycopg://")


def check_sql(check: Check) -> None:
    """The query runs within the timeout; what it answers is not looked at."""
    assert check.url is not None and check.query is not None
    if check.url.startswith("sqlite://"):
        _sqlite(check.url, check.query, check.timeout)
    elif check.url.startswith(_POSTGRES):
        _postgres(check.url, check.query, check.timeout)
    else:
        scheme = check.url.partition("://")[0]
        raise CheckFailed(f"{scheme} databases cannot be asked: sqlite and postgresql can; kind tcp asks any port")


def _sqlite(url: str, query: str, timeout: float) -> None:
    """Read-only: a check neither makes a database nor changes one."""
    path = url.removeprefix("sqlite://").removeprefix("/")
    connection = sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True, timeout=timeout)
    deadline = time.monotonic() + timeout
    # Not `interrupt` from a timer: that is lost when it comes before the query has begun.
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _LOOK_EVERY)
    try:
        connection.execute(query).fetchone()
    except sqlite3.Error as error:
        interrupted = "interrupted" in str(error)
        raise CheckFailed(f"no answer within {timeout:g} s" if interrupted else str(error)) from error
    finally:
        connection.close()


def _postgres(url: str, query: str, timeout: float) -> None:
    try:
        import psycopg
    except ModuleNotFoundError:
        raise CheckFailed("psycopg is not installed: pip install '.[postgres]' in soak's clone") from None
    settings = f"-c statement_timeout={max(1, round(timeout * 1000))} -c default_transaction_read_only=on"
    try:
        with psycopg.connect(
            url.replace("+psycopg", "", 1), connect_timeout=max(2, round(timeout)), options=settings
        ) as connection:
            connection.execute(query.encode())
    except psycopg.Error as error:
        raise CheckFailed((str(error).splitlines() or [type(error).__name__])[0]) from error
