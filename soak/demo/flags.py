"""Feature flags of the bundled target, read and set over HTTP."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route


@dataclass(slots=True)
class Flags:
    """Streams on or off, memory figures in /metrics on or off, share of requests to /error and /work that fail."""

    streaming: bool = True
    memory: bool = True
    errors: float = 0.0

    def routes(self) -> list[BaseRoute]:
        """GET and PUT /flags."""
        return [Route("/flags", self.show), Route("/flags", self.change, methods=["PUT"])]

    async def show(self, request: Request) -> Response:
        """Every flag with its value."""
        return JSONResponse(asdict(self))

    async def change(self, request: Request) -> Response:
        """Set the flags in the body: {"errors": 0.1}; nothing is set when one of them is wrong."""
        wanted = await request.json()
        known = asdict(self)
        if not isinstance(wanted, dict) or not all(_fits(known.get(name), value) for name, value in wanted.items()):
            return JSONResponse({"error": "unknown flag or value", "flags": known}, status_code=400)
        for name, value in wanted.items():
            setattr(self, name, value)
        return await self.show(request)


def _fits(known: object, value: object) -> bool:
    if isinstance(known, bool):
        return isinstance(value, bool)
    return isinstance(known, float) and isinstance(value, (int, float)) and 0 <= value <= 1
