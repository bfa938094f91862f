"""An alert is raised once, repeated, acknowledged, resolved; no announcement is lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from soak_storage import Store
from soak_storage.alerts import Alerts, Finding
from soak_storage.jobs import Job, Jobs

LEAK = Finding("orders-api", "f1", "fail", "rss grows by 3 MB/h", {"line": 57})
SLOW = Finding("orders-api", "f2", "warn", "p99 is 900 ms", {})
DAY = 86400.0


@pytest.fixture
def alerts(store: Store) -> Alerts:
    """Two channels, repeated daily."""
    return Alerts(store, ["webhook", "log"], repeat=DAY)


def announced(alerts: Alerts, now: float) -> list[tuple[str, str, str]]:
    """Deliver everything due; what it was."""
    found = alerts.due(now)
    for delivery in found:
        alerts.delivered(delivery.id)
    return [(delivery.channel, delivery.occasion, delivery.alert.fingerprint) for delivery in found]


def test_the_same_finding_on_the_next_night_is_the_same_alert(alerts: Alerts) -> None:
    """Raised once on each channel; seen again it only counts, until the interval is over."""
    alerts.update("orders-api", 1, [LEAK], 0.0)
    alerts.update("orders-api", 1, [LEAK], 60.0)  # the next cycle of the same run
    alerts.update("orders-api", 2, [LEAK], 3600.0)
    assert announced(alerts, 3600.0) == [("webhook", "raised", "f1"), ("log", "raised", "f1")]
    (alert,) = alerts.open("orders-api")
    assert (alert.times, alert.first_run, alert.last_run, alert.raised, alert.last_seen) == (2, 1, 2, 0.0, 3600.0)
    assert (alert.message, alert.detail, alert.severity) == ("rss grows by 3 MB/h", {"line": 57}, "fail")
    alerts.update("orders-api", 3, [LEAK], DAY)
    assert announced(alerts, DAY) == [("webhook", "repeated", "f1"), ("log", "repeated", "f1")]
    alerts.update("orders-api", 4, [LEAK], 2 * DAY - 1)
    assert announced(alerts, 2 * DAY) == []


def test_a_finding_that_is_gone_resolves_its_alert(alerts: Alerts) -> None:
    """Once, and only for its own target; when it comes back it is a new alert."""
    alerts.update("orders-api", 1, [LEAK, SLOW], 0.0)
    alerts.update("billing", 2, [Finding("billing", "f1", "fail", "m", {})], 0.0)
    announced(alerts, 0.0)
    alerts.update("orders-api", 3, [SLOW], 10.0)
    alerts.update("orders-api", 4, [SLOW], 20.0)
    assert announced(alerts, 20.0) == [("webhook", "resolved", "f1"), ("log", "resolved", "f1")]
    assert [(alert.name, alert.fingerprint) for alert in alerts.open()] == [("orders-api", "f2"), ("billing", "f1")]
    alerts.update("orders-api", 5, [SLOW, LEAK], 30.0)
    assert announced(alerts, 30.0) == [("webhook", "raised", "f1"), ("log", "raised", "f1")]
    assert [(alert.fingerprint, alert.resolved) for alert in alerts.history() if alert.name == "orders-api"] == [
        ("f1", None),
        ("f2", None),
        ("f1", 10.0),
    ]


def test_an_acknowledged_alert_is_not_repeated(alerts: Alerts) -> None:
    """Somebody knows; its end is still announced, and what is resolved cannot be acknowledged any more."""
    alerts.update("orders-api", 1, [LEAK], 0.0)
    announced(alerts, 0.0)
    (alert,) = alerts.open()
    assert alerts.acknowledge(alert.id, "ada", 5.0, "ticket 812")
    alerts.update("orders-api", 2, [LEAK], 9 * DAY)
    assert announced(alerts, 9 * DAY) == []
    (known,) = alerts.open()
    assert (known.acknowledged, known.acknowledged_by, known.note) == (5.0, "ada", "ticket 812")
    alerts.update("orders-api", 3, [], 10 * DAY)
    assert [occasion for _, occasion, _ in announced(alerts, 10 * DAY)] == ["resolved", "resolved"]
    assert not alerts.acknowledge(alert.id, "ada", 11 * DAY)


def test_an_announcement_is_tried_again_until_it_arrives(alerts: Alerts, store: Store) -> None:
    """It waits in the store, not in memory; given up it is not tried any more."""
    alerts.update("orders-api", 1, [LEAK], 0.0)
    webhook, log = alerts.due(0.0)
    alerts.failed(webhook.id, "503", next_try=4.0)
    alerts.failed(log.id, "closed", next_try=None)
    after_restart = Alerts(store, ["webhook"], repeat=DAY)
    assert after_restart.due(3.9) == []
    (again,) = after_restart.due(4.0)
    assert (again.channel, again.attempts) == ("webhook", 1)
    after_restart.delivered(again.id)
    assert after_restart.due(100.0) == []


def test_a_daemon_announces_what_its_own_target_raised(store: Store) -> None:
    """In one Postgres another daemon has other channels: it would give up what it cannot deliver."""
    alerts = Alerts(store, ["webhook"], repeat=DAY)
    alerts.update("orders-api", 1, [LEAK], 0.0)
    alerts.update("payments", 2, [replace(SLOW, name="payments")], 0.0)
    assert [delivery.alert.fingerprint for delivery in alerts.due(1.0, "payments")] == ["f2"]
    assert [delivery.alert.fingerprint for delivery in alerts.due(1.0)] == ["f1", "f2"]


def test_jobs_are_remembered_per_host(store: Store) -> None:
    """What is due, and what was started."""
    here, there = Jobs(store, "here"), Jobs(store, "there")
    here.put(Job("here", "nightly", "0 22 * * *", 100.0))
    here.put(Job("here", "nightly", "0 22 * * *", 200.0, last_due=100.0, last_run=7))
    there.put(Job("there", "nightly", "0 22 * * *", 300.0))
    assert here.all() == [Job("here", "nightly", "0 22 * * *", 200.0, 100.0, 7)]
    assert [job.next_due for job in there.all()] == [300.0]
