"""The kinds of checks. Each is a function that returns when all is well and raises when it is not."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Callable

from soak.checks.outcome import CheckFailed, Outcome
from soak.checks.resp import Redis
from soak.checks.sql import check_sql
from soak.checks.web import get
from soak.config import Check

Ask = Callable[[Check], None]


def check_dns(check: Check) -> None:
    """The name has an address."""
    socket.getaddrinfo(check.host, None, type=socket.SOCK_STREAM)


def check_tcp(check: Check) -> None:
    """The port accepts a connection."""
    assert check.host is not None and check.port is not None
    with socket.create_connection((check.host, check.port), check.timeout):
        pass


def check_http(check: Check) -> None:
    """A GET is answered with an expected status."""
    assert check.url is not None
    status, _ = get(check.url, check.timeout)
    if status not in check.status:
        raise CheckFailed(f"it answered {status}, expected {', '.join(map(str, check.status))}")


def check_redis(check: Check) -> None:
    """PING is answered with PONG."""
    assert check.url is not None
    with Redis(check.url, check.timeout) as redis:
        answer = redis.call("PING")
    if answer != "PONG":
        raise CheckFailed(f"it answered PING with {answer!r}")


KINDS: dict[str, Ask] = {
    "dns": check_dns,
    "tcp": check_tcp,
    "http": check_http,
    "redis": check_redis,
    "sql": check_sql,
}


def ask(check: Check, *, monotonic: Callable[[], float] = time.monotonic) -> Outcome:
    """Run one check; whatever goes wrong is an outcome and never an exception."""
    began = monotonic()
    why = ""
    try:
        KINDS[check.kind](check)
    except TimeoutError:
        why = f"no answer within {check.timeout:g} s"
    except OSError as error:
        why = error.strerror or str(error) or type(error).__name__
    except (CheckFailed, http.client.HTTPException) as error:
        why = str(error) or type(error).__name__
    except Exception as error:  # noqa: BLE001 -- a driver's own; a check may fail, the soak may not
        why = f"{type(error).__name__}: {error}"
    ms = (monotonic() - began) * 1000.0
    if not why and check.max_ms is not None and ms > check.max_ms:
        why = f"it took {ms:.0f} ms, at most {check.max_ms:g} are allowed"
    return Outcome(not why, ms, why)
