"""The ways to tell somebody, for real: a signed POST, a command without a shell, a line in the log."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import sys
from pathlib import Path

import pytest

from soak.alerts import Undeliverable, channels_of
from soak.alerts.channels import post, run
from soak.config import Alerts
from tests.checks.servers import http_server
from tests.common import free_port

MESSAGE = {"occasion": "raised", "target": "orders-api", "fingerprint": "f1", "message": "rss grows; rm -rf $HOME"}


def test_a_webhook_is_signed() -> None:
    """The receiver computes the HMAC over the body as it came, with the shared secret, and compares."""
    with http_server() as server:
        post(f"{server.url}/hook", "sesame", MESSAGE)
        ((path, headers, body),) = server.seen
    assert path == "/hook" and json.loads(body) == MESSAGE
    expected = hmac.new(b"sesame", body, hashlib.sha256).hexdigest()
    assert headers["X-Soak-Signature"] == f"sha256={expected}"
    assert headers["Content-Type"] == "application/json"


def test_without_a_secret_there_is_no_signature() -> None:
    """Nothing that looks like one."""
    with http_server() as server:
        post(server.url, None, MESSAGE)
    assert "X-Soak-Signature" not in server.seen[0][1]


def test_what_did_not_arrive_is_said() -> None:
    """A refusal, an error of the receiver, and a redirect, which is not followed with a signed body."""
    with pytest.raises(Undeliverable, match="refused"):
        post(f"http://127.0.0.1:{free_port()}", None, MESSAGE)
    with http_server() as server:
        for status in (500, 302):
            server.status = status
            with pytest.raises(Undeliverable, match=f"it answered {status}"):
                post(server.url, None, MESSAGE)


def test_a_command_gets_the_finding_and_no_shell(tmp_path: Path) -> None:
    """In the environment and on stdin; what looks like shell is text."""
    script = "import json, os, sys; print(os.environ['SOAK_ALERT_MESSAGE'], file=open(sys.argv[1], 'w')); "
    script += "assert json.load(sys.stdin)['fingerprint'] == os.environ['SOAK_ALERT_FINGERPRINT']"
    run((sys.executable, "-c", script, str(tmp_path / "out")), MESSAGE)
    assert (tmp_path / "out").read_text() == "rss grows; rm -rf $HOME\n"


def test_a_command_that_fails_is_said() -> None:
    """Its exit code and its last words; a program that is not there by name."""
    with pytest.raises(Undeliverable, match="exit 3 no paper"):
        run((sys.executable, "-c", "import sys; print('no paper', file=sys.stderr); sys.exit(3)"), MESSAGE)
    with pytest.raises(Undeliverable, match="no-such-program"):
        run(("/no-such-program",), MESSAGE)


def test_a_command_may_print_anything() -> None:
    """Bytes that are no UTF-8: it has been told all the same, and its last words are read as well as can be."""
    run((sys.executable, "-c", "import os; os.write(1, b'\\xff'); os.write(2, b'\\xe9')"), MESSAGE)
    with pytest.raises(Undeliverable, match="exit 3 caf\N{REPLACEMENT CHARACTER}"):
        run((sys.executable, "-c", "import os; os.write(2, b'caf\\xe9'); os._exit(3)"), MESSAGE)


@pytest.mark.parametrize("url", ["http://[::1", "http://hook\n.example/", "https://127.0.0.1:1/"])
def test_a_webhook_that_cannot_be_asked_is_said(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An address that is none, certificates that are not there: as one that does not answer."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(Undeliverable):
        post(url, None, MESSAGE)


def test_the_log_is_always_told(caplog: pytest.LogCaptureFixture) -> None:
    """Also when nothing is configured; with the fingerprint as an id of the line."""
    channels = channels_of(Alerts())
    assert set(channels) == {"log"}
    with caplog.at_level(logging.INFO, "soak"):
        channels["log"](MESSAGE)
        channels["log"]({**MESSAGE, "occasion": "resolved"})
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert caplog.records[0].__dict__["fingerprint"] == "f1"
    assert set(channels_of(Alerts(webhook="http://h/", command=("a",)))) == {"log", "webhook", "command"}
