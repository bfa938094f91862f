"""Alerts and their life cycle: raised once, announced again at an interval, resolved, acknowledged by somebody.

The same finding on the next night has the same fingerprint and is the same alert. What has to be announced is a row of
its own, so that a webhook that is away for an hour, or a daemon that is killed, loses no announcement.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from soak_storage.service_tables import alert_deliveries, alerts
from soak_storage.sql import inserted_id
from soak_storage.store import Store

OPEN = alerts.c.resolved.is_(None)


@dataclass(frozen=True, slots=True)
class Finding:
    """What may raise an alert: the name of the target, and what is wrong with it."""

    name: str
    fingerprint: str
    severity: str  # fail, warn
    message: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert; all times are wall times."""

    id: int
    name: str
    fingerprint: str
    severity: str
    message: str
    detail: Mapping[str, Any]
    first_run: int
    last_run: int
    raised: float
    last_seen: float
    times: int  # runs in which it was found
    announced: float | None  # when an announcement was last queued
    resolved: float | None
    acknowledged: float | None  # nothing is repeated from then on
    acknowledged_by: str | None
    note: str | None


_COLUMNS = tuple(alerts.c[name] for name in Alert.__slots__)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One announcement on its way."""

    id: int
    alert: Alert
    channel: str
    occasion: str  # raised, repeated, resolved
    attempts: int


class Alerts:
    """The alerts of a store, for the daemon that raises them and the people who acknowledge them."""

    def __init__(self, store: Store, channels: Iterable[str], *, repeat: float) -> None:
        """Announce on `channels`; an alert that nobody acknowledged again after `repeat` seconds."""
        self._store = store
        self._channels = tuple(channels)
        self._repeat = repeat

    def update(self, name: str, run_id: int, findings: Iterable[Finding], now: float, *, resolve: bool = True) -> None:
        """Take over what a run of target `name` found: raise what is new, repeat what is due, resolve what is gone.

        Not `resolve` for a run that could not have found it: it was cut short, or is inconclusive.
        """
        found = {finding.fingerprint: finding for finding in findings}
        with self._store.writing() as connection:
            known = {alert.fingerprint: alert for alert in _select(connection, OPEN, alerts.c.name == name)}
            for fingerprint, finding in found.items():
                self._see(connection, known.get(fingerprint), finding, run_id, now)
            for fingerprint, alert in known.items():
                if resolve and fingerprint not in found:
                    _set(connection, alert.id, resolved=now, open_key=None)
                    self._announce(connection, alert.id, "resolved", now)

    def open(self, name: str | None = None) -> list[Alert]:
        """Alerts that are not resolved, oldest first."""
        with self._store.reading() as connection:
            return _select(connection, OPEN, *(() if name is None else (alerts.c.name == name,)))

    def history(self, limit: int = 100) -> list[Alert]:
        """Resolved and open alerts, the latest raised first."""
        query = sa.select(*_COLUMNS).order_by(alerts.c.raised.desc(), alerts.c.id.desc()).limit(limit)
        with self._store.reading() as connection:
            return [Alert(*row) for row in connection.execute(query)]

    def acknowledge(self, alert_id: int, by: str, now: float, note: str | None = None) -> bool:
        """Somebody knows: it is not repeated until it was resolved and comes back; False when there is none open."""
        with self._store.writing() as connection:
            if not _select(connection, OPEN, alerts.c.id == alert_id):
                return False
            _set(connection, alert_id, acknowledged=now, acknowledged_by=by, note=note)
        return True

    def due(self, now: float, name: str | None = None) -> list[Delivery]:
        """Announcements to be sent now, of the target `name` or of all, oldest first."""
        table = alert_deliveries
        query = sa.select(table.c.id, table.c.channel, table.c.occasion, table.c.attempts, *_COLUMNS)
        query = query.join(alerts, alerts.c.id == table.c.alert_id).where(table.c.next_try <= now).order_by(table.c.id)
        if name is not None:
            query = query.where(alerts.c.name == name)
        with self._store.reading() as connection:
            return [Delivery(row[0], Alert(*row[4:]), *row[1:4]) for row in connection.execute(query)]

    def delivered(self, delivery_id: int) -> None:
        """It arrived."""
        self._delivery(delivery_id, next_try=None, error=None)

    def failed(self, delivery_id: int, error: str, next_try: float | None) -> None:
        """It did not; try again at `next_try`, or never when that is None."""
        self._delivery(delivery_id, next_try=next_try, error=self._store.redactor.text(error))

    def _delivery(self, delivery_id: int, **values: Any) -> None:
        table = alert_deliveries
        with self._store.writing() as connection:
            counted = sa.update(table).where(table.c.id == delivery_id).values(attempts=table.c.attempts + 1, **values)
            connection.execute(counted)

    def _see(self, connection: sa.Connection, alert: Alert | None, finding: Finding, run_id: int, now: float) -> None:
        seen = {
            "severity": finding.severity,
            "message": self._store.redactor.text(finding.message),
            "detail": self._store.redactor.derived(finding.detail),
            "last_run": run_id,
            "last_seen": now,
        }
        if alert is None:
            key = {"name": finding.name, "fingerprint": finding.fingerprint}
            first = {"first_run": run_id, "raised": now, "times": 1, "open_key": "\n".join(key.values())}
            self._announce(connection, inserted_id(connection, alerts, {**key, **first, **seen}), "raised", now)
            return
        again = alert.last_run != run_id  # one run is analysed once per cycle
        _set(connection, alert.id, **seen, times=alert.times + again)
        if alert.acknowledged is None and now - (alert.announced or alert.raised) >= self._repeat:
            self._announce(connection, alert.id, "repeated", now)

    def _announce(self, connection: sa.Connection, alert_id: int, occasion: str, now: float) -> None:
        row = {"alert_id": alert_id, "occasion": occasion, "created": now, "attempts": 0, "next_try": now}
        for channel in self._channels:
            connection.execute(sa.insert(alert_deliveries).values(channel=channel, **row))
        _set(connection, alert_id, announced=now)


def _select(connection: sa.Connection, *where: sa.ColumnElement[bool]) -> list[Alert]:
    return [Alert(*row) for row in connection.execute(sa.select(*_COLUMNS).where(*where).order_by(alerts.c.id))]


def _set(connection: sa.Connection, alert_id: int, **values: Any) -> None:
    connection.execute(sa.update(alerts).where(alerts.c.id == alert_id).values(**values))
