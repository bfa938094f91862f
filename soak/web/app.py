"""What the web part answers: /metrics, /health, /api/status."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from soak.metrics import CONTENT_TYPE, exposition
from soak.standing import Standing
from soak.web.guard import App, Guard


def make_app(standing: Standing, *, host: str, token: str | None) -> App:
    """The application behind its guard."""

    def metrics(request: Request) -> Response:
        return Response(exposition(standing), media_type=None, headers={"content-type": CONTENT_TYPE})

    async def health(request: Request) -> Response:
        found = standing.health()
        code = 503 if found["status"] == "unhealthy" else 200
        # Whoever has no token learns the word and nothing else.
        return JSONResponse(found if token is None else {"status": found["status"]}, code)

    async def status(request: Request) -> Response:
        return JSONResponse(standing.to_json())

    routes = [Route("/metrics", metrics), Route("/health", health), Route("/api/status", status)]
    return Guard(Starlette(routes=routes), host=host, token=token)
