"""Endpoints that misbehave on request: slow, failing, limited, and behind a sign-in."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from soak.demo.flags import Flags

_SESSIONS = 1000  # the oldest session ends when more people than this are signed in
_LONGEST_MS = 60_000.0


class Faults:
    """The misbehaving endpoints and their state."""

    def __init__(self, flags: Flags, *, limit: int) -> None:
        self._flags = flags
        self._limit = limit
        self._busy = 0
        self._asked = 0
        self._sessions: OrderedDict[str, str] = OrderedDict()

    def routes(self) -> list[BaseRoute]:
        """GET /slow, /error, /limited, /account; POST /sign-in, /upload."""
        return [
            Route("/slow", self.slow),
            Route("/error", self.error),
            Route("/limited", self.limited),
            Route("/sign-in", self.sign_in, methods=["POST"]),
            Route("/account", self.account),
            Route("/upload", self.upload, methods=["POST", "PUT"]),
        ]

    async def slow(self, request: Request) -> Response:
        """Answer after `ms` milliseconds (default 500)."""
        waited = number(request, "ms", 500.0, _LONGEST_MS)
        await asyncio.sleep(waited / 1000)
        return JSONResponse({"waited_ms": waited})

    async def error(self, request: Request) -> Response:
        """Answer `status` (default 500) to the share `rate` of the requests (default: the flag `errors`), evenly."""
        rate = number(request, "rate", self._flags.errors, 1.0)
        status = int(number(request, "status", 500.0, 599.0))
        self._asked += 1
        if int(self._asked * rate) > int((self._asked - 1) * rate):
            return JSONResponse({"error": "injected"}, status_code=max(status, 400))
        return JSONResponse({"status": "ok"})

    async def limited(self, request: Request) -> Response:
        """Serve so many requests at once, each `ms` long (default 100); more are pushed back with Retry-After."""
        if self._busy >= self._limit:
            return PlainTextResponse("busy", status_code=429, headers={"Retry-After": "1"})
        self._busy += 1
        try:
            return await self.slow(request) if "ms" in request.query_params else await self._served()
        finally:
            self._busy -= 1

    async def sign_in(self, request: Request) -> Response:
        """Give a session to anybody with a name, as a cookie and as a token."""
        user = str((await request.json()).get("user", "")) if await request.body() else ""
        if not user:
            return JSONResponse({"error": "a user is needed"}, status_code=400)
        token = secrets.token_urlsafe(16)
        self._sessions[token] = user
        if len(self._sessions) > _SESSIONS:
            self._sessions.popitem(last=False)
        answer = JSONResponse({"token": token})
        answer.set_cookie("session", token, httponly=True)
        return answer

    async def account(self, request: Request) -> Response:
        """Say who is signed in, by cookie or bearer token; 401 for everybody else."""
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        user = self._sessions.get(request.cookies.get("session", bearer))
        return JSONResponse({"user": user}, status_code=200 if user else 401)

    async def upload(self, request: Request) -> Response:
        """Read a body to its end without keeping it."""
        size = 0
        async for part in request.stream():
            size += len(part)
        return JSONResponse({"bytes": size})

    async def _served(self) -> Response:
        await asyncio.sleep(0.1)
        return JSONResponse({"status": "ok"})


def number(request: Request, name: str, default: float, most: float) -> float:
    """A number from the query, between 0 and `most`; the default where it is none."""
    try:
        return min(max(float(request.query_params.get(name, default)), 0.0), most)
    except ValueError:
        return default
