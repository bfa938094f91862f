"""Who may ask the web part, and how it answers: hosts, tokens, methods, security headers, request ids. Plain ASGI."""

from __future__ import annotations

import hmac
import ipaddress
import itertools
import logging
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

LOG = logging.getLogger(__name__)
Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN_PATHS = frozenset({"/health"})  # for probes of an orchestrator, which have no token: it says a word and no more
_HEADERS = (
    (b"content-security-policy", b"default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; "
     b"img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)  # fmt: skip


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """Stands before an application."""

    def __init__(self, app: App, *, host: str, token: str | None) -> None:
        """`host` is the address that is listened on: on loopback only its names are answered (DNS rebinding)."""
        self._app = app
        self._loopback = is_loopback(host)
        self._token = token
        self._numbers = itertools.count(1)
        self._prefix = f"{os.getpid():x}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or refuse one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        request = f"{self._prefix}-{next(self._numbers)}"
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        status, why = self._refusal(scope, headers)

        async def answer(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                ours = (*_HEADERS, (b"x-request-id", request.encode()))
                message["headers"] = [*message.get("headers", ()), *ours]
                LOG.debug("%s %s %s", scope["method"], scope["path"], message["status"], extra={"request": request})
            await send(message)

        if status:
            await _refuse(answer, status, why)
        else:
            await self._app(scope, receive, answer)

    def _refusal(self, scope: Scope, headers: dict[bytes, str]) -> tuple[int, str]:
        """Status and words of a refusal; status 0: it may go on."""
        if scope["method"] not in ("GET", "HEAD"):
            return 405, "only GET and HEAD"
        if self._loopback and not is_loopback(_host_of(headers.get(b"host", ""))):
            return 421, "this address is for this machine alone"
        if self._token is not None and scope["path"] not in OPEN_PATHS:
            given = headers.get(b"authorization", "").removeprefix("Bearer ").strip()
            if not hmac.compare_digest(given.encode(), self._token.encode()):
                return 401, "a token is needed: Authorization: Bearer …"
        return 0, ""


def _host_of(header: str) -> str:
    """The host of a Host header, without its port."""
    if header.startswith("["):
        return header.partition("]")[0] + "]"
    return header.rpartition(":")[0] if ":" in header else header


async def _refuse(send: Send, status: int, why: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": f"{why}\n".encode()})
