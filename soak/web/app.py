"""What the web part answers: the dashboard with its /api, and /metrics, /health for machines."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from soak.metrics import CONTENT_TYPE, exposition
from soak.standing import Standing
from soak.web import pages
from soak.web.api import Api
from soak.web.guard import App, Guard, Receive, Scope, Send
from soak.web.sessions import COOKIE, Sessions

PAGES = ("/", "/runs/{run:int}", "/findings", "/alerts")


class _Events:
    """The stream as an ASGI application of its own: a class, so that the router hands it the bare request."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._api.events(scope, receive, send)


def make_app(standing: Standing, api: Api, *, host: str, token: str | None) -> App:
    """The application behind its guard."""
    sessions = Sessions()
    routes = [*_machine_routes(standing, token), *_page_routes(sessions, token), *_api_routes(api)]
    return Guard(Starlette(routes=routes), host=host, token=token, sessions=sessions)


def _machine_routes(standing: Standing, token: str | None) -> list[BaseRoute]:
    async def metrics(request: Request) -> Response:  # in the loop: a pool of threads costs more than it takes
        return Response(exposition(standing), media_type=None, headers={"content-type": CONTENT_TYPE})

    async def health(request: Request) -> Response:
        found = standing.health()
        code = 503 if found["status"] == "unhealthy" else 200
        # Whoever has no token learns the word and nothing else.
        return JSONResponse(found if token is None else {"status": found["status"]}, code)

    async def status(request: Request) -> Response:
        return JSONResponse(standing.to_json())

    return [Route("/metrics", metrics), Route("/health", health), Route("/api/status", status)]


def _page_routes(sessions: Sessions, token: str | None) -> list[BaseRoute]:
    async def page(request: Request) -> Response:
        return pages.page(sessions, signed_in=token is not None)

    async def login(request: Request) -> Response:
        if request.method == "POST":
            return await pages.login(request, sessions, token)
        return pages.login_page(request.query_params.get("next", "/"))

    async def logout(request: Request) -> Response:
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return answer

    async def static(request: Request) -> Response:
        return pages.static(request)

    return [
        *(Route(path, page) for path in PAGES),
        Route("/login", login, methods=["GET", "POST"]),
        Route("/api/logout", logout, methods=["POST"]),
        Route("/static/{name}", static),
    ]


def _api_routes(api: Api) -> list[BaseRoute]:
    return [
        Route("/api/runs", api.runs),
        Route("/api/runs/{run:int}", api.run),
        Route("/api/runs/{run:int}/curves", api.curves),
        Route("/api/findings", api.findings),
        Route("/api/alerts", api.alerts),
        Route("/api/alerts/{alert:int}/acknowledge", api.acknowledge, methods=["POST"]),
        Route("/api/events", _Events(api)),
        Route("/runs/{run:int}/report.html", api.report),
    ]
