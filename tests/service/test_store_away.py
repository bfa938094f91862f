"""The store is away for a while, as a Postgres server that is started anew: the daemon lives, and loses no verdict."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from soak import daemon as daemons
from soak.clocktimes import described
from soak.config import load_config
from soak.daemon import Daemon
from soak.lock import StoreLock
from soak.schedule import Order
from soak.session import RunOutcome
from soak.supervisor import Supervisor
from soak_storage import Store, open_store
from soak_storage.alerts import Alerts
from tests.service.daemons import configure


class Away:
    """Refuses every connection while it is `on`."""

    def __init__(self, store: Store) -> None:
        self.on = False
        sa.event.listen(store.engine, "checkout", self._refuse)

    def _refuse(self, *_what: object) -> None:
        if self.on:
            raise sa.exc.OperationalError("SELECT 1", {}, Exception("the server closed the connection"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """That of the daemon."""
    with open_store(f"sqlite:///{tmp_path}/soak.db", environ={}) as opened:
        yield opened


@pytest.fixture
def away(store: Store) -> Away:
    """Takes the store away."""
    return Away(store)


@pytest.fixture
def daemon(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Daemon:
    """One that has started, with its schedule; nothing runs beside it."""
    monkeypatch.setattr(Supervisor, "start", lambda _self: None)
    monkeypatch.setattr(daemons, "keep_what_is_there", lambda: None)  # of the process that tests
    configure(tmp_path, 1)
    started = Daemon(lambda: load_config(tmp_path / "soak.toml"))
    started._startup(store, StoreLock(store, "here", "guest"))
    started._schedule.initialize()
    return started


def taken(daemon: Daemon) -> Order:
    """The first order, which is due at once."""
    daemon._schedule.loop(0.0)
    order = daemon._schedule.take(0.1)
    assert order is not None
    return order


def test_a_soak_that_is_due_meanwhile_is_lost_and_nothing_else(daemon: Daemon, away: Away) -> None:
    """The night is an error, the schedule goes on: no exception gets out."""
    order = taken(daemon)
    away.on = True
    daemon._soak(order)
    assert daemon._standing.last is not None and daemon._standing.last.verdict == "error"
    assert daemon._schedule.next_start == order.due + 3600.0


def test_a_verdict_that_the_store_cannot_take_is_the_verdict(
    daemon: Daemon, away: Away, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Away as the run ends: the verdict is told as it is, and the alert is raised once the store is there again."""
    found = {"kind": "growth", "severity": "fail", "fingerprint": "f1", "message": "rss grows"}
    run = {"id": 7, "name": "guest", "status": "completed"}

    class Run:
        """A session that found a leak."""

        state = SimpleNamespace(id=7, recorder=None)

        def __init__(self, *_what: object, **_more: object) -> None:
            away.on = False

        def run(self, _signals: object) -> RunOutcome:
            away.on = True
            return RunOutcome(7, {"verdict": "leak", "run": run, "findings": [found]}, 1, None)

    monkeypatch.setattr(daemons, "Session", Run)
    daemon._soak(taken(daemon))
    assert daemon._standing.last is not None
    assert (daemon._standing.last.verdict, daemon._standing.last.run_id) == ("leak", 7)
    daemon._sender.shutdown()  # as its supervisor does after a failure, which this was
    away.on = False
    daemon._sender.loop(0.0)
    assert [alert.fingerprint for alert in Alerts(store, (), repeat=1.0).open("guest")] == ["f1"]


def test_an_order_that_comes_too_late_meanwhile_is_left_out(daemon: Daemon, away: Away) -> None:
    """So is one that becomes due while the store is away: when the next one is due is known without it."""
    away.on = True
    daemon._schedule._wall = lambda: daemon._standing.started + 86400.0
    daemon._schedule.loop(0.0)
    assert daemon._schedule.take(0.1) is None
    assert daemon._schedule.next_start is not None


def test_a_reload_meanwhile_is_taken_over_as_a_whole_or_not_at_all(daemon: Daemon, away: Away, tmp_path: Path) -> None:
    """The old configuration stays, all of it; asked again with the store there, the new one is used, all of it."""

    def used() -> tuple[Any, ...]:
        daemon._signals.reload = True
        daemon._reload_if_asked()
        config = daemon._config
        return config.schedule.every, daemon._housekeeping.retain, described(daemon._schedule._schedule)

    before = used()
    configure(tmp_path, 1, schedule={"every": "5h"}, storage={"retain": "7d"})
    away.on = True
    assert used() == before
    away.on = False
    assert used() == (18000.0, 7 * 86400.0, "every 5h")
    next_start = daemon._schedule.next_start
    assert next_start is not None and next_start >= daemon._standing.started
