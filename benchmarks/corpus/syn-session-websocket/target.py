"""Chat backend: a session per WebSocket, kept when the client leaves before "bye". FIXED=1 removes it."""

import os

import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocketDisconnect

FIXED = os.environ.get("FIXED") == "1"
sessions = {}


class Session:
    def __init__(self, socket):
        self.socket = socket
        self.history = [f"hello {number}" for number in range(50)]
        self.buffer = bytearray(8000)


def open_session(socket):
    sessions[socket] = Session(socket)


async def work(socket):
    await socket.accept(subprotocol="chat")
    open_session(socket)
    try:
        while True:
            said = await socket.receive_text()
            await socket.send_text("welcome" if said == "login" else f"echo {said}")
    except (WebSocketDisconnect, RuntimeError):
        if FIXED:
            sessions.pop(socket)


async def health(request):
    return PlainTextResponse("ok")


app = Starlette(routes=[WebSocketRoute("/work", work), Route("/health", health)])
uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning", access_log=False)
