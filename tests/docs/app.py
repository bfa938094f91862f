"""The tiny target in which the commands of the documents are run: two paths, no leak, something `soak init` knows."""

from __future__ import annotations

import os

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route


async def work(request: Request) -> Response:
    """A short body."""
    return PlainTextResponse("ok\n")


app = Starlette(routes=[Route("/work", work), Route("/health", work)])

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ["PORT"]), log_level="warning")
