"""From a report to the people: raised, retried, repeated, resolved; nothing is lost and nobody is held up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from soak.alerts import AlertSender, News, Undeliverable, channels_of, findings_of, news
from soak.alerts import sender as sending
from soak.checks.hooks import hooks
from soak.config import Alerts as Settings
from soak.config import Check
from soak_storage import Store, StoreUnavailable, open_store
from soak_storage.alerts import Alerts
from soak_storage.service_tables import alert_deliveries
from tests.checks.servers import http_server
from tests.common import wait_until

DAY = 86400.0


class People:
    """A channel that works or does not."""

    def __init__(self) -> None:
        self.works, self.why = True, "it answered 503"
        self.heard: list[dict[str, Any]] = []

    def __call__(self, message: Any) -> None:
        if not self.works:
            raise Undeliverable(self.why)
        self.heard.append(dict(message))


class Clock:
    """A wall clock that the test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store of its own."""
    with open_store(f"sqlite:///{tmp_path}/soak.db", environ={}) as opened:
        yield opened


def report(run: int, *findings: dict[str, Any], verdict: str = "leak") -> dict[str, Any]:
    """As much of a report as alerts look at."""
    return {"verdict": verdict, "run": {"id": run, "name": "orders-api", "status": "completed"}, "findings": findings}


def leak(line: int = 57, **more: Any) -> dict[str, Any]:
    """A finding; its fingerprint has no line in it."""
    site = {"file": "/app/cache.py", "line": line, "function": "handler"}
    base = {"kind": "growth", "series": "rss", "severity": "fail", "fingerprint": "f1", "message": f"grows at {line}"}
    return {**base, "sites": [site], "growth_per_hour": 3e6, **more}


def test_only_what_fails_the_run_is_an_alert() -> None:
    """Warnings and accepted findings are none; the most guilty line is told."""
    found = findings_of(report(7, leak(), leak(severity="warn"), leak(accepted={"reason": "known"})))
    assert [(finding.name, finding.fingerprint) for finding in found] == [("orders-api", "f1")]
    assert found[0].detail["site"] == "/app/cache.py:57 in handler" and found[0].detail["run"] == 7


def test_the_life_of_an_alert(store: Store) -> None:
    """Raised in the first night, silent in the second (same finding, moved line), repeated after a day, resolved."""
    people, clock = People(), Clock()
    alerts = Alerts(store, ["log"], repeat=DAY)
    sender = AlertSender(alerts, {"log": people}, wall=clock)
    nights = [[leak(57)], [leak(61)], [leak(61)], []]
    for run, (findings, hours) in enumerate(zip(nights, (0, 12, 24, 36), strict=True), start=1):
        clock.now = 1000.0 + hours * 3600.0
        alerts.update("orders-api", run, findings_of(report(run, *findings)), clock.now)
        sender.loop(0.0)
    assert [message["occasion"] for message in people.heard] == ["raised", "repeated", "resolved"]
    first, last = people.heard[0], people.heard[-1]
    assert first["schema"] == "soak.alert/1" and first["run"] == 1 and first["growth_per_hour"] == 3e6
    assert last["first_run"] == 1 and last["times"] == 3


def refusing(store: Store) -> list[int]:
    """Reads work and nothing is written, as on a disk that is full, while the list is not empty."""
    refused = [1]

    def refuse(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if refused and statement.startswith(("INSERT", "UPDATE")):
            raise sa.exc.OperationalError(statement, {}, Exception("database or disk is full"))

    sa.event.listen(store.engine, "before_cursor_execute", refuse)
    return refused


def test_what_runs_found_waits_for_the_store_in_order(store: Store) -> None:
    """A leak, then a run without it, while nothing can be written: raised and resolved, once there is room again."""
    people, clock = People(), Clock()
    refused = refusing(store)
    sender = AlertSender(Alerts(store, ["log"], repeat=DAY), {"log": people}, wall=clock)
    for run, findings in ((1, [leak()]), (2, [])):
        sender.take(News("orders-api", run, tuple(findings_of(report(run, *findings))), clock.now, True))
    with pytest.raises(StoreUnavailable):
        sender.loop(0.0)
    refused.clear()
    sender.loop(0.0)
    assert [message["occasion"] for message in people.heard] == ["raised", "resolved"]
    assert Alerts(store, (), repeat=DAY).open() == []


def test_so_many_wait_and_no_more(store: Store, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    """A store that is away for a year of nights: the newest runs are kept."""
    monkeypatch.setattr(news, "MOST", 2)
    refused = refusing(store)
    alerts = Alerts(store, ["log"], repeat=DAY)
    sender = AlertSender(alerts, {})
    for run in (1, 2, 3):
        finding = leak(fingerprint=f"f{run}")
        sender.take(News("orders-api", run, tuple(findings_of(report(run, finding))), 0.0, False))
    refused.clear()
    sender.shutdown()
    assert [alert.fingerprint for alert in alerts.open()] == ["f2", "f3"]
    assert "the alerts of run 1 are lost" in caplog.text


def test_who_was_told_is_not_told_again_because_the_store_was_not(store: Store) -> None:
    """It arrived, and that cannot be written: once is enough."""
    people, clock = People(), Clock()
    alerts = Alerts(store, ["log"], repeat=DAY)
    alerts.update("orders-api", 1, findings_of(report(1, leak())), clock.now)
    refused = refusing(store)
    sender = AlertSender(alerts, {"log": people}, wall=clock)
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            sender.loop(0.0)
    refused.clear()
    sender.loop(0.0)
    assert len(people.heard) == 1 and alerts.due(clock.now) == []


def test_a_run_that_cannot_tell_resolves_nothing(store: Store) -> None:
    """An interrupted or inconclusive run without the finding leaves the alert open."""
    alerts = Alerts(store, ["log"], repeat=DAY)
    alerts.update("orders-api", 1, findings_of(report(1, leak())), 0.0)
    alerts.update("orders-api", 2, [], 10.0, resolve=False)
    assert [alert.fingerprint for alert in alerts.open()] == ["f1"]


def test_tries_again_with_growing_pauses(store: Store) -> None:
    """A receiver that is away: tries after 1, 2, 4 s; once it is back the alert arrives, once."""
    people, clock = People(), Clock()
    people.works = False
    alerts = Alerts(store, ["webhook"], repeat=DAY)
    alerts.update("orders-api", 1, findings_of(report(1, leak())), clock.now)
    sender = AlertSender(alerts, {"webhook": people}, wall=clock)
    tried = []
    for _ in range(8):
        before = len(alerts.due(clock.now))
        sender.loop(0.0)
        tried.append(bool(before))
        clock.now += 1.0
    # At seconds 0, 1, 3 and 7 (after pauses of 1, 2 and 4 s).
    assert [second for second, was_tried in enumerate(tried) if was_tried] == [0, 1, 3, 7]
    people.works = True
    clock.now += 15.0
    sender.loop(0.0)
    sender.loop(0.0)
    assert [message["occasion"] for message in people.heard] == ["raised"]


def test_a_channel_that_breaks_holds_up_no_other(store: Store) -> None:
    """A fault that nobody thought of counts as a try: the next alert goes out, and this one waits for its turn."""
    people, clock = People(), Clock()
    broken = People()

    def breaks(message: Any) -> None:
        broken(message)
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")

    alerts = Alerts(store, ["command", "log"], repeat=DAY)
    alerts.update("orders-api", 1, findings_of(report(1, leak())), clock.now)
    sender = AlertSender(alerts, {"command": breaks, "log": people}, wall=clock)
    for _ in range(3):
        sender.loop(0.0)
    assert len(people.heard) == len(broken.heard) == 1
    clock.now += 1.0
    (again,) = alerts.due(clock.now)
    assert (again.channel, again.attempts) == ("command", 1)
    sender.loop(0.0)
    assert len(people.heard) == 1 and len(broken.heard) == 2


def test_why_it_did_not_arrive_is_stored_as_any_text_is(tmp_path: Path) -> None:
    """The last words of a command: without secrets, and without what a database does not take."""
    with open_store(f"sqlite:///{tmp_path}/soak.db", environ={"DB_PASSWORD": "hunter2hunter2"}) as store:
        people, clock = People(), Clock()
        people.works, people.why = False, "exit 1 hunter2hunter2\0"
        alerts = Alerts(store, ["command"], repeat=DAY)
        alerts.update("a", 1, findings_of(report(1, leak())), clock.now)
        AlertSender(alerts, {"command": people}, wall=clock).loop(0.0)
        with store.reading() as connection:
            (error,) = connection.execute(sa.select(alert_deliveries.c.error)).scalars()
    assert error is not None and "hunter2" not in error and "\0" not in error


def test_it_gives_up_after_a_day(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last try is not followed by another."""
    people, clock = People(), Clock()
    people.works = False
    monkeypatch.setattr(sending, "ATTEMPTS", 2)
    alerts = Alerts(store, ["webhook"], repeat=DAY)
    alerts.update("orders-api", 1, findings_of(report(1, leak())), clock.now)
    sender = AlertSender(alerts, {"webhook": people}, wall=clock)
    for _ in range(3):
        sender.loop(0.0)
        clock.now += 1000.0
    assert alerts.due(clock.now + DAY) == []


def test_what_was_not_announced_survives_a_restart(store: Store) -> None:
    """Raised by a daemon that was killed before it could tell: the next one tells."""
    clock = Clock()
    Alerts(store, ["log"], repeat=DAY).update("orders-api", 1, findings_of(report(1, leak())), clock.now)
    people = People()
    AlertSender(Alerts(store, ["log"], repeat=DAY), {"log": people}, wall=clock).loop(0.0)
    assert [message["fingerprint"] for message in people.heard] == ["f1"]


def test_a_channel_that_is_gone_is_given_up(store: Store) -> None:
    """The configuration no longer has a webhook: what waits for it is dropped."""
    clock = Clock()
    alerts = Alerts(store, ["webhook"], repeat=DAY)
    alerts.update("orders-api", 1, findings_of(report(1, leak())), clock.now)
    AlertSender(alerts, {}, wall=clock).loop(0.0)
    assert alerts.due(clock.now + 10 * DAY) == []


def test_secrets_are_masked(tmp_path: Path) -> None:
    """What a secret variable holds does not leave the machine in a message."""
    with open_store(f"sqlite:///{tmp_path}/soak.db", environ={"DB_PASSWORD": "hunter2hunter2"}) as store:
        people, clock = People(), Clock()
        alerts = Alerts(store, ["log"], repeat=DAY)
        alerts.update("a", 1, findings_of(report(1, leak(message="no login with hunter2hunter2"))), clock.now)
        AlertSender(alerts, {"log": people}, wall=clock).loop(0.0)
    assert "hunter2" not in str(people.heard) and people.heard


def test_hooks_of_checks_reach_the_webhook(caplog: pytest.LogCaptureFixture) -> None:
    """on_unhealthy = webhook posts to alerts.webhook in a thread; command and restart are called; failures are said."""
    restarted: list[int] = []
    check = Check("api", "http", url="http://h/", on_unhealthy="webhook", command=("/no-such-program",))
    with http_server() as server:
        actions = hooks("orders-api", Settings(webhook=server.url, secret="s"), lambda: restarted.append(1))
        actions["webhook"](check, "it answered 503")
        wait_until(lambda: bool(server.seen))
        assert b'"check":"api"' in server.seen[0][2] and "X-Soak-Signature" in server.seen[0][1]
    actions["restart"](check, "")
    assert restarted == [1]
    actions["command"](check, "")
    wait_until(lambda: "on_unhealthy of check api did not work" in caplog.text)
    hooks("orders-api", Settings())["webhook"](check, "")
    assert "alerts.webhook is not set" in caplog.text


def test_channels_come_from_the_configuration() -> None:
    """A webhook that is configured is called with its own url and secret."""
    with http_server() as server:
        channels_of(Settings(webhook=f"{server.url}/a", secret="s"))["webhook"]({"message": "m"})
        assert server.seen[0][0] == "/a"
