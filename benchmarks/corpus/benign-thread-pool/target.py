"""API that hands work to a pool of at most forty threads, which are made one by one as they are needed."""

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

pool = ThreadPoolExecutor(max_workers=40)


async def work(request):
    await asyncio.get_running_loop().run_in_executor(pool, time.sleep, 0.4)
    return JSONResponse({"ok": True})


async def health(request):
    return JSONResponse({"ok": True})


app = Starlette(routes=[Route("/work", work), Route("/health", health)])
if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="error")
