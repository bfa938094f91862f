"""The store: everything a run leaves behind, in SQLite or Postgres, redacted at the door."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from soak_storage import engine as engines
from soak_storage import tables
from soak_storage.intern import Interner
from soak_storage.reader import Reader
from soak_storage.records import Record, RunStart, RunSummary
from soak_storage.redact import Redactor, secret_values
from soak_storage.sql import inserted_id
from soak_storage.writer import Writer

BEAT_SECONDS = 2.0  # how often at most a run's last_write is moved on
BEAT_SQL = {  # as the driver wants it: SQLAlchemy would take longer to make it than SQLite to do it
    "sqlite": "UPDATE runs SET last_write = ? WHERE id = ? AND status = 'running'",
    "postgresql": "UPDATE runs SET last_write = %s WHERE id = %s AND status = 'running'",
}
SILENT_SECONDS = 15 * 60.0  # a run of another host that wrote nothing for so long is taken for dead


def open_store(
    url: str,
    *,
    create: bool = True,
    environ: Mapping[str, str] = os.environ,
    wall: Callable[[], float] = time.time,
) -> Store:
    """Open the store behind `url` (`sqlite:////abs/path.db`, `postgresql+psycopg://...`) and upgrade its schema.

    Relative paths are the caller's to resolve. Values of secret variables in `environ` are masked in what is stored.
    Raises SoakError: `no_store` (and not `create`), `store_newer`, `store_url`, `store_unusable`.
    """
    engine = engines.open_engine(url, create=create)
    try:
        engines.upgrade(engine)
    except BaseException:
        engine.dispose()
        raise
    redactor = Redactor(value for value in secret_values(environ) if not _is_file(value))
    return Store(engine, redactor, wall)


def _is_file(value: str) -> bool:
    """Variables like SSH_KEY_FILE name a path: no secret, and masking it would only garble messages."""
    try:
        return Path(value).is_absolute() and Path(value).exists()
    except (OSError, ValueError):
        return False


class Store(Reader):
    """One open store; may be shared by threads (writes of one process queue up), not by forks."""

    def __init__(self, engine: sa.Engine, redactor: Redactor, wall: Callable[[], float]) -> None:
        super().__init__(engine)
        self._redactor = redactor
        self._wall = wall
        self._interner = Interner()
        self._lock = threading.RLock()
        self._beats: dict[int, float] = {}

    @property
    def redactor(self) -> Redactor:
        """Masks the secrets that this store was told of; also for soak's own log."""
        return self._redactor

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One immediate transaction, committed at the end or not at all; one at a time in this process."""
        with self._lock:
            try:
                with engines.available(self._engine), engines.writing(self._engine) as connection:
                    yield connection
            except BaseException:
                self._interner.rollback()
                raise
            self._interner.commit()

    # ------------------------------------------------------------------------------------------------------- runs

    def begin_run(self, start: RunStart) -> int:
        """Store a new run as `running` and return its id; secrets of its configuration are remembered and masked."""
        self._redactor.learn(secret_values(start.config))
        values = {name: getattr(start, name) for name in RunStart.__slots__ if name not in ("config", "target")}
        values |= {
            "version": self._said(start.version),
            "status": "running",
            "last_write": self._wall(),
            "config": self._redactor.mapping(start.config),
            "target": self._redactor.mapping(start.target),
        }
        with self.writing() as connection:
            return inserted_id(connection, tables.runs, values)

    def as_stored(self, config: Mapping[str, Any]) -> Any:
        """A configuration as `begin_run` would keep it: to tell whether it is that of a stored run."""
        self._redactor.learn(secret_values(config))
        return json.loads(json.dumps(self._redactor.mapping(config)))

    def update_run(
        self,
        run_id: int,
        *,
        target: Mapping[str, Any] | None = None,
        version: str | None = None,
        cycles_planned: int | None = None,
    ) -> None:
        """What became known after the start; None leaves a value as it is."""
        values = {
            "target": None if target is None else self._redactor.mapping(target),
            "version": self._said(version),
            "cycles_planned": cycles_planned,
        }
        self._update(run_id, {name: value for name, value in values.items() if value is not None})

    def _said(self, text: str | None) -> str | None:
        """What a command of the user's printed, for the store."""
        return None if text is None else self._redactor.text(text)

    def resume_run(
        self, run_id: int, owner_pid: int, owner_start: int, config: Mapping[str, Any] | None = None
    ) -> None:
        """Go on with an interrupted or running run; `config` only so that its secrets are known again."""
        self._redactor.learn(secret_values(config or {}))
        values: dict[str, Any] = {"status": "running", "owner_pid": owner_pid, "owner_start": owner_start}
        values |= {"ended": None, "duration_s": None, "error": None, "last_write": self._wall()}
        self._update(run_id, values)

    def end_run(
        self,
        run_id: int,
        status: str,
        ended: float,
        *,
        duration_s: float | None = None,
        error: Mapping[str, Any] | None = None,
    ) -> None:
        """Close a run as `completed`, `interrupted` or `failed`; `ended` is wall time, `duration_s` monotonic."""
        values: dict[str, Any] = {"status": status, "ended": ended, "duration_s": duration_s}
        if error is not None:
            values["error"] = self._redactor.mapping(error)
        self._update(run_id, values)
        with self._lock:
            self._interner.forget()  # a service has a run every night: what it learns of each would add up
            self._beats.pop(run_id, None)

    def _update(self, run_id: int, values: Mapping[str, Any]) -> None:
        if not values:
            return
        with self.writing() as connection:
            connection.execute(sa.update(tables.runs).where(tables.runs.c.id == run_id).values(**values))

    def set_baseline(self, run_id: int, label: str | None) -> None:
        """Mark a run as the baseline `label` of its target, in place of the run that was; None takes it back."""
        table = tables.runs
        with self.writing() as connection:
            name = connection.scalar(sa.select(table.c.name).where(table.c.id == run_id))
            before = sa.update(table).where(table.c.name == name, table.c.baseline == label)
            connection.execute(before.values(baseline=None))
            connection.execute(sa.update(table).where(table.c.id == run_id).values(baseline=label))

    def close_orphaned_runs(
        self, is_alive: Callable[[int, int], bool], *, host: str, but: int | None = None
    ) -> list[int]:
        """Close as `interrupted` every running run whose owner is gone; returns their ids.

        `is_alive(pid, start_time)` is asked for runs of this `host`; a run of another one counts as dead after
        SILENT_SECONDS without a write. A run ended when it last wrote. The run `but` is left alone.
        """
        closed = []
        for run in self.running():
            if run.id == but or self._has_owner(run, is_alive, host):
                continue
            duration = max(0.0, run.last_write - run.started)
            error = {"code": "owner_gone", "message": "the soak process that wrote this run ended without closing it"}
            self.end_run(run.id, "interrupted", run.last_write, duration_s=duration, error=error)
            closed.append(run.id)
        return closed

    def _has_owner(self, run: RunSummary, is_alive: Callable[[int, int], bool], host: str) -> bool:
        if run.host != host:
            return self._wall() - run.last_write < SILENT_SECONDS
        return run.owner_pid is not None and is_alive(run.owner_pid, run.owner_start or 0)

    # ------------------------------------------------------------------------------------------------------ writing

    def write(self, run_id: int, batch: Sequence[Record]) -> None:
        """Write `batch` in one transaction: when this returns all of it is committed, when it raises nothing is."""
        try:
            self._write(run_id, batch)
        except sa.exc.IntegrityError:  # an id that is remembered here was pruned by another process
            with self._lock:
                self._interner.forget()
            self._write(run_id, batch)

    def _write(self, run_id: int, batch: Sequence[Record]) -> None:
        with self.writing() as connection:
            Writer(connection, run_id, self._interner, self._redactor).write(batch)
            beat = self._beat(connection, run_id)
        if beat is not None:
            self._beats[run_id] = beat

    def _beat(self, connection: sa.Connection, run_id: int) -> float | None:
        """Move a running run's last_write on, at most every BEAT_SECONDS; the new time if it was."""
        now = self._wall()
        if abs(now - self._beats.get(run_id, 0.0)) < BEAT_SECONDS:
            return None
        moved = connection.exec_driver_sql(BEAT_SQL[connection.dialect.name], (now, run_id))
        return now if moved.rowcount else None
