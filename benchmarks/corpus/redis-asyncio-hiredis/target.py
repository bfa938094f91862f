"""Session service: one asyncio Redis client per request, closed at its end. The store is in this process."""

import asyncio
import os

import redis.asyncio as redis
from aiohttp import web


async def store(reader, writer):
    """Speak just enough RESP2: GET answers a value, all else OK."""
    while header := await reader.readline():
        words = []
        for _ in range(int(header[1:])):
            length = int((await reader.readline())[1:])
            words.append((await reader.readexactly(length + 2))[:-2].upper())
        writer.write(b"$3\r\nbar\r\n" if words[0] == b"GET" else b"+OK\r\n")
        await writer.drain()
    writer.close()


async def read_session(port):
    client = redis.Redis(host="127.0.0.1", port=port)
    await client.set("session", "x" * 100)
    value = await client.get("session")
    await client.close()
    return value


async def work(request):
    return web.json_response({"session": (await read_session(request.app["store"])).decode()})


async def health(request):
    return web.Response(text="ok")


async def start_store(app):
    server = await asyncio.start_server(store, "127.0.0.1", 0)
    app["store"] = server.sockets[0].getsockname()[1]


app = web.Application()
app.on_startup.append(start_store)
app.router.add_get("/health", health)
app.router.add_get("/work", work)
web.run_app(app, host="127.0.0.1", port=int(os.environ["PORT"]), print=None, access_log=None)
