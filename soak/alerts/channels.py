"""The ways to tell somebody. Each takes a message and returns when it arrived, or raises Undeliverable."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from soak.config import Alerts

LOG = logging.getLogger(__name__)
TIMEOUT = 10.0  # seconds for one webhook
COMMAND_TIMEOUT = 60.0  # seconds for one command
SIGNATURE_HEADER = "X-Soak-Signature"
CHANNELS = ("log", "webhook", "command")

Message = Mapping[str, Any]
Channel = Callable[[Message], None]


class Undeliverable(Exception):
    """It did not arrive; the message says why. Trying again may help."""


def channels_of(alerts: Alerts) -> dict[str, Channel]:
    """What the configuration asks for; the log is always there."""
    channels: dict[str, Channel] = {"log": to_log}
    if alerts.webhook is not None:
        url, secret = alerts.webhook, alerts.secret
        channels["webhook"] = lambda message: post(url, secret, message)
    if alerts.command:
        command = alerts.command
        channels["command"] = lambda message: run(command, message)
    return channels


def to_log(message: Message) -> None:
    """A line in soak's own log."""
    said = LOG.info if message.get("occasion") == "resolved" else LOG.warning
    said(
        "alert %s: %s: %s", message.get("occasion"), message.get("target"), message.get("message"), extra=_ids(message)
    )


def _ids(message: Message) -> dict[str, Any]:
    return {name: message[name] for name in ("fingerprint", "run") if message.get(name) is not None}


def signature(secret: str, body: bytes) -> str:
    """What a receiver compares: `sha256=` and the hex HMAC-SHA256 of the body, as it came, under the shared secret."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def post(url: str, secret: str | None, message: Message) -> None:
    """POST the message as JSON, signed when there is a secret; anything but a 2xx is Undeliverable."""
    import httpx

    body = json.dumps(message, separators=(",", ":"), default=str).encode()
    headers = {"Content-Type": "application/json", "User-Agent": "soak"}
    if secret:
        headers[SIGNATURE_HEADER] = signature(secret, body)
    try:
        answer = httpx.post(url, content=body, headers=headers, timeout=TIMEOUT, follow_redirects=False)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:  # the last: certificates that cannot be read
        raise Undeliverable(str(error) or type(error).__name__) from error
    if not answer.is_success:
        raise Undeliverable(f"it answered {answer.status_code}")


def run(command: Sequence[str], message: Message) -> None:
    """Run a command without a shell; the message is in its environment (SOAK_ALERT_*) and on its stdin as JSON."""
    text = json.dumps(message, default=str)
    facts = {f"SOAK_ALERT_{name.upper()}": str(value) for name, value in message.items() if _plain(value)}
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **facts},
            input=text,
            text=True,
            errors="replace",  # of what it prints, its last words are all that anybody sees
            capture_output=True,
            timeout=COMMAND_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise Undeliverable(str(error)) from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [""])[-1]
        raise Undeliverable(f"exit {done.returncode} {last}".strip())


def _plain(value: Any) -> bool:
    return value is not None and not isinstance(value, list | dict)
