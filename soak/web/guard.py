"""Who may ask the web part, and how it answers: hosts, tokens, methods, security headers, request ids. Plain ASGI."""

from __future__ import annotations

import ipaddress
import itertools
import logging
import os
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import quote, urlsplit

from soak.web.sessions import COOKIE, FORM_HEADER, Sessions, same

LOG = logging.getLogger(__name__)
Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN_PATHS = frozenset({"/health", "/login"})  # /health is for probes of an orchestrator, which have no token
OPEN_FOLDER = "/static/"  # our own style sheet, for the login form: nothing of a target is in it
CHANGING = "/api/"  # besides /login the only paths that take POST
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),  # no-referrer would take the origin from the login form too
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)


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

    def __init__(self, app: App, *, host: str, token: str | None, sessions: Sessions) -> None:
        """`host` is the address that is listened on: on loopback only its names are answered (DNS rebinding)."""
        self._app = app
        self._loopback = is_loopback(host)
        self._token = token
        self._sessions = sessions
        self._numbers = itertools.count(1)
        self._prefix = f"{os.getpid():x}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or refuse one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        answer = _Answer(scope, send, f"{self._prefix}-{next(self._numbers)}")
        headers = {name.lower().decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(scope, headers)
        try:
            if refusal is None:
                await self._app(scope, receive, answer)
            elif refusal[0] == 401 and "text/html" in headers.get("accept", ""):
                await answer.refuse(303, "sign in first", (b"location", _login_for(scope)))
            else:
                await answer.refuse(*refusal)
        except Exception:
            LOG.exception("%s %s failed", scope["method"], scope["path"], extra={"request": answer.request})
            if not answer.begun:
                await answer.refuse(500, "this is a fault of soak: its log says more")

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str] | None:
        """Status and words of a refusal; None: it may go on."""
        path, method = scope["path"], scope["method"]
        if method not in ("GET", "HEAD", "POST") or (method == "POST" and not _may_change(path)):
            return 405, "only GET and HEAD"
        if self._loopback and not is_loopback(_host_of(headers.get("host", ""))):
            return 421, "this address is for this machine alone"
        bearer = self._is_bearer(headers)
        if self._token is not None and not (bearer or _is_open(path) or self._signed_in(headers)):
            return 401, "a token is needed: Authorization: Bearer …"
        if method == "POST" and not bearer:
            return self._foreign(path, headers)
        return None

    def _is_bearer(self, headers: dict[str, str]) -> bool:
        """A page of elsewhere cannot send this header, so it also proves that no browser was tricked."""
        given = headers.get("authorization", "").removeprefix("Bearer ").strip()
        return self._token is not None and same(given, self._token)

    def _signed_in(self, headers: dict[str, str]) -> bool:
        try:
            morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return morsel is not None and self._sessions.is_cookie(morsel.value)

    def _foreign(self, path: str, headers: dict[str, str]) -> tuple[int, str] | None:
        """Does a page of elsewhere ask? Browsers name the origin of every POST; our pages send their form token too."""
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != headers.get("host"):
            return 403, "not from another page"
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return 403, "not from another page"
        if path != "/login" and not self._sessions.is_form(headers.get(FORM_HEADER, "")):
            return 403, f"the header {FORM_HEADER} of a page of ours is needed"
        return None


class _Answer:
    """Sends on what the application answers, with our headers."""

    def __init__(self, scope: Scope, send: Send, request: str) -> None:
        self._scope = scope
        self._send = send
        self.request = request
        self.begun = False

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        """One message of the application."""
        if message["type"] == "http.response.start":
            self.begun = True
            theirs = list(message.get("headers", ()))
            named = {name for name, _ in theirs}
            ours = [header for header in _HEADERS if header[0] not in named]
            message["headers"] = [*theirs, *ours, (b"x-request-id", self.request.encode())]
            method, path = self._scope["method"], self._scope["path"]
            LOG.debug("%s %s %s", method, path, message["status"], extra={"request": self.request})
        await self._send(message)

    async def refuse(self, status: int, why: str, *more: tuple[bytes, bytes]) -> None:
        """Answer with a line of text."""
        headers = [(b"content-type", b"text/plain; charset=utf-8"), *more]
        if status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        await self({"type": "http.response.start", "status": status, "headers": headers})
        await self({"type": "http.response.body", "body": f"{why}\n".encode()})


def _may_change(path: str) -> bool:
    return bool(path == "/login" or path.startswith(CHANGING))


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDER)


def _login_for(scope: Scope) -> bytes:
    """Where to sign in, and where to go on afterwards."""
    return f"/login?next={quote(scope['path'], safe='')}".encode()


def _host_of(header: str) -> str:
    """The host of a Host header, without its port."""
    if header.startswith("["):
        return header.partition("]")[0] + "]"
    return header.rpartition(":")[0] if ":" in header else header
