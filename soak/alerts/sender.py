"""Delivers what the alerts of a store have to announce: apart from the soak, again and again until it arrived."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from soak.alerts.channels import Channel, Undeliverable
from soak.alerts.news import News, Unstored
from soak_storage import StoreUnavailable
from soak_storage.alerts import Alerts, Delivery

LOG = logging.getLogger(__name__)
BACK_OFF = (1.0, 2.0, 4.0, 15.0, 60.0, 300.0, 900.0)  # seconds before the next try
PATIENCE = 24 * 3600.0  # seconds: an announcement that could not be made for a day is given up
_LAST = BACK_OFF[-1]
ATTEMPTS = len(BACK_OFF) + int((PATIENCE - sum(BACK_OFF)) / _LAST)
RETRY_LOOK = 1.0  # seconds between two looks while something waits to be tried again
LOOK_EVERY = 30.0  # else: a run that ends wakes this part


class AlertSender:
    """A part of the daemon, in a thread of its own: a webhook that hangs delays other announcements and nothing else.

    What is to be announced is in the store, so a daemon that is killed announces it after its next start.
    """

    name = "alerts"

    def __init__(
        self,
        alerts: Alerts,
        channels: Mapping[str, Channel],
        *,
        target: str | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Only what is to be told of `target`: in one Postgres are the alerts of daemons with other channels, too."""
        self._target = target
        self._alerts = alerts
        self._channels = channels
        self._wall = wall
        self._waiting = False  # for another try
        self._unstored = Unstored()
        self._told: set[int] = set()  # deliveries that arrived, while the store could not be told so

    def use(self, alerts: Alerts, channels: Mapping[str, Channel]) -> None:
        """Deliver these, on these channels, from now on."""
        self._alerts, self._channels = alerts, channels

    def take(self, news: News) -> None:
        """Raise and resolve alerts by what a run found: now, or as soon as the store can be written again."""
        self._unstored.add(news)
        try:
            self._unstored.store(self._alerts)
        except StoreUnavailable as error:
            LOG.warning("the alerts of run %d wait for the store: %s", news.run_id, error.message)

    def initialize(self) -> None:
        """Nothing to start."""

    def loop(self, now: float) -> float:
        """Deliver what is due; when to look again, in seconds. StoreUnavailable: nothing is lost, it is tried again."""
        self._unstored.store(self._alerts)
        due = self._alerts.due(self._wall(), self._target)
        if due:
            self._waiting = False
        for delivery in due:
            self._deliver(delivery)
        return RETRY_LOOK if self._waiting else LOOK_EVERY

    def shutdown(self) -> None:
        """One last try for what is new: the alerts of the run that has just been ended."""
        try:
            self._unstored.store(self._alerts)
            for delivery in self._alerts.due(self._wall(), self._target):
                if delivery.attempts == 0:
                    self._deliver(delivery)
        except StoreUnavailable as error:
            waiting = f"; those of {len(self._unstored)} run(s) wait for it" if self._unstored else ""
            LOG.warning("alerts cannot be announced without the store%s: %s", waiting, error.message)

    def _deliver(self, delivery: Delivery) -> None:
        channel = self._channels.get(delivery.channel)
        if channel is None:
            self._alerts.failed(delivery.id, "the configuration no longer has this channel", None)
            return
        try:
            if delivery.id not in self._told:
                channel(message_of(delivery))
        except Undeliverable as error:
            self._again(delivery, str(error))
        except Exception as error:  # noqa: BLE001 whatever it is, the other announcements must not wait behind it
            self._again(delivery, f"{type(error).__name__}: {error}")
        else:
            self._told.add(delivery.id)
            self._alerts.delivered(delivery.id)
            self._told.discard(delivery.id)

    def _again(self, delivery: Delivery, why: str) -> None:
        tried = delivery.attempts + 1
        pause = BACK_OFF[min(delivery.attempts, len(BACK_OFF) - 1)]
        given_up = tried >= ATTEMPTS
        LOG.warning(
            "alert %s could not be announced by %s (try %d): %s%s",
            delivery.alert.fingerprint,
            delivery.channel,
            tried,
            why,
            "; given up" if given_up else f"; next try in {pause:g} s",
        )
        self._waiting = self._waiting or (not given_up and pause <= LOOK_EVERY)
        self._alerts.failed(delivery.id, why, None if given_up else self._wall() + pause)


def message_of(delivery: Delivery) -> dict[str, Any]:
    """What a channel gets: one flat object, `schema` soak.alert/1."""
    alert = delivery.alert
    known = {key: value for key, value in alert.detail.items() if value is not None}
    return {
        "schema": "soak.alert/1",
        "occasion": delivery.occasion,
        "target": alert.name,
        "fingerprint": alert.fingerprint,
        "severity": alert.severity,
        "message": alert.message,
        "run": alert.last_run,
        "first_run": alert.first_run,
        "raised": alert.raised,
        "resolved": alert.resolved,
        "times": alert.times,
        **{key: value for key, value in known.items() if key != "run"},
    }
