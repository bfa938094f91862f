"""Notification API: a task per request waits for an answer that never comes. FIXED=1 gives it a time limit."""

import asyncio
import os

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

FIXED = os.environ.get("FIXED") == "1"
running = set()


async def wait_for_answer():
    await asyncio.wait({asyncio.get_running_loop().create_future()}, timeout=0.1 if FIXED else None)


def notify():
    task = asyncio.create_task(wait_for_answer())
    running.add(task)
    task.add_done_callback(running.discard)


async def work(request):
    notify()
    return JSONResponse({"ok": True})


async def health(request):
    return JSONResponse({"ok": True})


app = Starlette(routes=[Route("/work", work), Route("/health", health)])
if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="error")
