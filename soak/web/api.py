"""/api: what the pages ask for, as JSON, and what they tell."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from soak.errors import SoakError
from soak.standing import Standing
from soak.web.digests import Digests
from soak.web.feed import Feed, News
from soak.web.guard import Receive, Scope, Send
from soak.web.hub import Hub, run_of
from soak.web.pages import body_of
from soak.web.views import PAGE, alerts_view, curves_view, run_view, runs_view
from soak_storage import Store
from soak_storage.alerts import Alerts

FRESH = 1.0  # seconds that an answer is given again: at the end of a cycle every browser asks for the same page
MOST_ANSWERS = 32  # kept for that
MOST_RUNS = 200  # in one answer
MOST_NOTE, MOST_NAME = 500, 80  # characters
REPORT_TIMEOUT = 60.0  # seconds
REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; base-uri 'none'"

T = TypeVar("T")
View = Callable[[], dict[str, Any]]


class Api:
    """Lives in the event loop of the web part; the store is read in one thread, so that it stays one reader."""

    def __init__(self, standing: Standing, store: Store, url: str) -> None:
        """`url` is that of the store with its password: for the process that renders a report."""
        self._store = store
        self._url = url
        self._reader = ThreadPoolExecutor(1, "soak-web-reader")
        self._digests = Digests(store)
        self._answers: dict[str, tuple[float, bytes]] = {}
        self._rendering = asyncio.Lock()
        self.hub = Hub()
        self._feed = Feed(News(standing, store), self.hub, self._reader)

    def close(self) -> None:
        """Send the listeners away and end the reader."""
        self.hub.close()
        self._reader.shutdown(wait=False, cancel_futures=True)

    async def runs(self, request: Request) -> Response:
        """`?q=words&offset=0&limit=50`: a page of the runs."""
        query = request.query_params
        offset, limit = _whole(query.get("offset"), 0), min(_whole(query.get("limit"), PAGE), MOST_RUNS)
        text = query.get("q", "")[:200]
        return await self._read(request, lambda: runs_view(self._store, text=text, offset=offset, limit=limit))

    async def run(self, request: Request) -> Response:
        """One run without its curves."""
        run = int(request.path_params["run"])
        return await self._read(request, lambda: run_view(self._store, run))

    async def curves(self, request: Request) -> Response:
        """`?more=1`: the curves of a run, thinned."""
        run, more = int(request.path_params["run"]), request.query_params.get("more") == "1"
        return await self._read(request, lambda: curves_view(self._store, run, more=more))

    async def findings(self, request: Request) -> Response:
        """`?name=target`: findings over all runs of a target."""
        name = request.query_params.get("name")
        return await self._read(request, lambda: self._digests.view(name))

    async def alerts(self, request: Request) -> Response:
        """Alerts, the latest first."""
        return await self._read(request, lambda: alerts_view(self._store))

    async def acknowledge(self, request: Request) -> Response:
        """Somebody knows: `{"by": "name", "note": "text"}`."""
        told = _told(await body_of(request))
        if told is None:
            return _problem(400, "a JSON object with by and note is wanted")
        alert = int(request.path_params["alert"])
        try:
            done = await self._in_reader(lambda: self._acknowledge(alert, *told))
        except SoakError as error:
            return _refused(error)
        return JSONResponse({"acknowledged": True}) if done else _problem(404, "there is no such open alert")

    def _acknowledge(self, alert: int, by: str, note: str | None) -> bool:
        self._answers.clear()
        return Alerts(self._store, (), repeat=0.0).acknowledge(alert, by, time.time(), note)

    async def events(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`?run=12`: what happens from now on, as server-sent events."""
        if self.hub.full:
            busy = Response("too many listeners\n", 503, {"retry-after": "10"}, "text/plain")
            await busy(scope, receive, send)
            return
        try:
            first = await self._feed.first()
        except SoakError as error:
            await _refused(error)(scope, receive, send)
            return
        await self.hub.serve(run_of(scope), first, receive, send, joined=self._feed.wake)

    async def report(self, request: Request) -> Response:
        """The report of a run as the HTML file that CI keeps; rendered in a process of its own, one at a time."""
        async with self._rendering:
            command = (
                sys.executable,
                "-P",
                "-m",
                "soak",
                "report",
                str(request.path_params["run"]),
                "--format",
                "html",
            )
            pipe = asyncio.subprocess.PIPE
            process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe, env=self._environment()
            )
            try:
                out, said = await asyncio.wait_for(process.communicate(), REPORT_TIMEOUT)
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        if process.returncode:
            return Response(said, 404, media_type="text/plain; charset=utf-8")
        return Response(out, headers={"content-security-policy": REPORT_POLICY}, media_type="text/html; charset=utf-8")

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "SOAK_STORE": self._url, "NO_COLOR": "1"}

    async def _read(self, request: Request, view: View) -> Response:
        """The JSON of a view; what was asked within the last second is not asked again."""
        key = f"{request.url.path}?{request.url.query}"
        known = self._answers.get(key)
        if known is None or time.monotonic() - known[0] > FRESH:
            try:
                known = (time.monotonic(), _encoded(await self._in_reader(view)))
            except SoakError as error:
                return _refused(error)
            self._keep(key, known)
        return Response(known[1], media_type="application/json")

    def _keep(self, key: str, answer: tuple[float, bytes]) -> None:
        if len(self._answers) >= MOST_ANSWERS:
            self._answers.clear()
        self._answers[key] = answer

    async def _in_reader(self, ask: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._reader, ask)


def _encoded(view: dict[str, Any]) -> bytes:
    return json.dumps(view, separators=(",", ":"), allow_nan=False).encode()


def _refused(error: SoakError) -> Response:
    return _problem(404 if error.code == "no_run" else 503, error.message)


def _problem(status: int, message: str) -> Response:
    return JSONResponse({"error": message}, status)


def _whole(text: str | None, otherwise: int) -> int:
    return int(text) if text is not None and text.isdecimal() and len(text) < 10 else otherwise


def _told(body: bytes) -> tuple[str, str | None] | None:
    """(by, note) of an acknowledgement; None when it is not one."""
    try:
        told = json.loads(body)
    except ValueError:
        return None
    if not isinstance(told, dict):
        return None
    by, note = (str(told.get(name) or "").strip() for name in ("by", "note"))
    return by[:MOST_NAME] or "dashboard", note[:MOST_NOTE] or None
