"""What `on_unhealthy` does besides restarting: a webhook or a command, in a thread, its failure said and not fatal."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from soak.alerts.channels import Channel, Undeliverable, post, run
from soak.background import in_background
from soak.checks.monitor import OnUnhealthy
from soak.config import Alerts, Check

LOG = logging.getLogger(__name__)


def hooks(target: str, alerts: Alerts, restart: Callable[[], None] | None = None) -> dict[str, OnUnhealthy]:
    """The actions of `Checks`: `webhook` goes to alerts.webhook, `command` is the check's own, `restart` is called."""

    def told(channel: Channel, check: Check, why: str) -> None:
        try:
            channel(message_of(target, check, why))
        except Undeliverable as error:
            LOG.warning("on_unhealthy of check %s did not work: %s", check.name, error)

    def webhook(check: Check, why: str) -> None:
        if alerts.webhook is None:
            LOG.warning("check %s has on_unhealthy = webhook, but alerts.webhook is not set", check.name)
            return
        url = alerts.webhook
        in_background(told, lambda message: post(url, alerts.secret, message), check, why)

    def command(check: Check, why: str) -> None:
        in_background(told, lambda message: run(check.command, message), check, why)

    actions: dict[str, OnUnhealthy] = {"webhook": webhook, "command": command}
    if restart is not None:
        actions["restart"] = lambda _check, _why: restart()
    return actions


def message_of(target: str, check: Check, why: str) -> Mapping[str, object]:
    """What a webhook or command is told of a check that became unhealthy."""
    return {
        "schema": "soak.alert/1",
        "occasion": "unhealthy",
        "target": target,
        "check": check.name,
        "kind": check.kind,
        "message": f"check {check.name} is unhealthy: {why}",
    }
