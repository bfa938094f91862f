"""Upload service: spools the body to a file, which stays when the client aborts. FIXED=1 removes it in any case."""

import os
import tempfile

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.routing import Route

FIXED = os.environ.get("FIXED") == "1"
spools = []


def new_spool():
    spool = tempfile.NamedTemporaryFile(prefix="upload-", delete=False)  # noqa: SIM115 -- the mistake is here
    spools.append(spool)
    return spool


def drop(spool):
    spools.remove(spool)
    spool.close()
    os.unlink(spool.name)


async def work(request):
    spool = new_spool()
    try:
        async for chunk in request.stream():
            spool.write(chunk)
    except ClientDisconnect:
        if FIXED:
            drop(spool)
        raise
    drop(spool)
    return PlainTextResponse("stored")


async def health(request):
    return PlainTextResponse("ok")


app = Starlette(routes=[Route("/work", work, methods=["POST"]), Route("/health", health)])
uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="critical", access_log=False)
