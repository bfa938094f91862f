"""When the jobs of a daemon are due, so that a restart knows what it missed; the configuration says what they are."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from soak_storage.service_tables import jobs
from soak_storage.sql import upsert
from soak_storage.store import Store


@dataclass(frozen=True, slots=True)
class Job:
    """One job of one host; times are wall times."""

    host: str
    name: str
    trigger: str  # as the configuration says it: with another text, next_due no longer holds
    next_due: float | None
    last_due: float | None = None  # for which time it was last started
    last_run: int | None = None


class Jobs:
    """The jobs of one host, which several daemons may have in one Postgres: each puts down its own."""

    def __init__(self, store: Store, host: str) -> None:
        self._store = store
        self._host = host

    def all(self) -> list[Job]:
        """By name."""
        query = sa.select(jobs).where(jobs.c.host == self._host).order_by(jobs.c.name)
        with self._store.reading() as connection:
            return [Job(*row) for row in connection.execute(query)]

    def put(self, job: Job) -> None:
        """Store a job as it is now."""
        values = {name: getattr(job, name) for name in Job.__slots__}
        with self._store.writing() as connection:
            connection.execute(upsert(connection, jobs, ("host", "name")), [{**values, "host": self._host}])
