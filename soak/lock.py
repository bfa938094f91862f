"""One daemon per store: a file lock beside an SQLite store, an advisory lock in Postgres. Both end with the process."""

from __future__ import annotations

import fcntl
import hashlib
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from soak.errors import SoakError
from soak.places import SQLITE

if TYPE_CHECKING:
    from soak_storage import Store


class StoreLock:
    """Held while entered; SoakError `store_locked` when another daemon holds it.

    Many daemons may report to one Postgres: there the lock is for one host and one target.
    """

    def __init__(self, store: Store, host: str, target: str) -> None:
        self._store = store
        self._owner = f"{host}\n{target}"
        self._file: int | None = None
        self._connection: Any = None

    def __enter__(self) -> StoreLock:
        if self._store.url.startswith(SQLITE):
            self._lock_file(Path(self._store.url.removeprefix(SQLITE) + ".lock"))
        else:
            self._lock_database()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._file is not None:
            os.close(self._file)  # the file stays: removing it would let two daemons lock two files of one name
            self._file = None
        if self._connection is not None:
            with suppress(Exception):  # the server may be gone, and the lock with it
                self._connection.invalidate()  # back in the pool it would keep the lock
                self._connection.close()
            self._connection = None

    def _lock_file(self, path: Path) -> None:
        try:
            file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SoakError("store_unusable", url=path, why=error.strerror) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(file, 32).decode(errors="replace").strip() or "unknown"
            os.close(file)
            raise SoakError("store_locked", url=self._store.url, holder=f"process {holder}") from None
        os.ftruncate(file, 0)
        os.pwrite(file, str(os.getpid()).encode(), 0)
        self._file = file

    def _lock_database(self) -> None:
        key = int.from_bytes(hashlib.sha256(self._owner.encode()).digest()[:8], "big", signed=True)
        connection = self._store.engine.connect()
        taken = connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({key})").scalar()
        connection.commit()  # the lock is the session's: no transaction has to stay open
        if not taken:
            connection.close()
            raise SoakError("store_locked", url=self._store.url, holder="another daemon of this host and target")
        self._connection = connection
