"""One daemon per store: a file lock beside an SQLite store, an advisory lock in Postgres. Both end with the process."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from soak.errors import SoakError
from soak.places import SQLITE
from soak_storage import StoreUnavailable
from soak_storage.engine import available

if TYPE_CHECKING:
    from soak_storage import Store

LOG = logging.getLogger(__name__)
LOOK_EVERY = 15.0  # seconds between two looks whether it is still held
NEVER = 86400.0  # seconds


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
            self._forget()

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

    def keep(self) -> bool:
        """See that it is still held, and take it again where it was lost with the session that held it (Postgres).

        True when it had to be taken again. SoakError `store_locked` when another daemon has it by now, and
        StoreUnavailable while the server is away: nobody else can have it then either.
        """
        if self._file is not None:
            return False  # a file lock ends with the process and never before
        if self._connection is not None:
            try:
                self._connection.exec_driver_sql("SELECT 1")
                self._connection.commit()
                return False
            except Exception:  # noqa: BLE001 whatever the driver calls it: the session is gone, and the lock with it
                self._forget()
        self._lock_database()
        return True

    def _forget(self) -> None:
        connection, self._connection = self._connection, None
        with suppress(Exception):  # the server may be gone, and the lock with it
            connection.invalidate()  # back in the pool it would keep the lock
            connection.close()

    def _lock_database(self) -> None:
        key = int.from_bytes(hashlib.sha256(self._owner.encode()).digest()[:8], "big", signed=True)
        with available(self._store.engine):
            connection = self._store.engine.connect()
            taken = connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({key})").scalar()
            connection.commit()  # the lock is the session's: no transaction has to stay open
        if not taken:
            connection.close()
            raise SoakError("store_locked", url=self._store.url, holder="another daemon of this host and target")
        self._connection = connection


class LockPart:
    """A part of the daemon: looks whether the lock is still held, as a session of Postgres may be lost at any time."""

    name = "lock"

    def __init__(self, lock: StoreLock, lost: Callable[[], None]) -> None:
        """`lost` is called when another daemon has taken it."""
        self._lock = lock
        self._lost = lost

    def initialize(self) -> None:
        """Nothing to start: the lock was taken before all parts."""

    def loop(self, now: float) -> float:
        """Look, and take it again if need be."""
        try:
            if self._lock.keep():
                LOG.warning("the session that held the lock on the store was lost; the lock is taken again")
        except StoreUnavailable:  # the recorder says so already
            return LOOK_EVERY
        except SoakError as error:
            LOG.error("the lock on the store is lost, so this daemon ends: %s", error.message)
            self._lost()
            return NEVER
        return LOOK_EVERY

    def shutdown(self) -> None:
        """Nothing to end: the lock is given back after all parts."""
