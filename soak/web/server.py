"""The web part of the daemon: uvicorn in a thread, on a socket that is opened first, so that a taken port is said."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import uvicorn

from soak.config import Web
from soak.errors import SoakError
from soak.standing import Standing
from soak.web.address import address_of
from soak.web.api import Api
from soak.web.app import make_app
from soak.web.guard import is_loopback
from soak_storage import Store

LOOK_EVERY = 5.0  # seconds between two looks whether it still serves
STOP_SECONDS = 5.0
UNSENT_BYTES = 128 * 1024  # that the kernel keeps for one connection: what a slow reader can cost
TICK = 5.0  # seconds between two looks of uvicorn's at its clock: the date header is as old as that at most
CONNECTIONS = 160  # at once: a hundred dashboards that listen, what they ask meanwhile, and a Prometheus
UNTAKEN_MS = (
    20_000  # after which the kernel ends a connection whose peer takes nothing: a sleeping laptop, a slow reader
)


class _Server(uvicorn.Server):
    """uvicorn, but it looks around every five seconds and not ten times a second: nobody waits for its date header."""

    def __init__(self, config: uvicorn.Config, api: Api) -> None:
        super().__init__(config)
        self._api = api
        self._leaving: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None  # while it serves

    async def main_loop(self) -> None:
        """Until it should end; then those who listen are sent away, or they would be waited for."""
        leaving = asyncio.Event()
        self._leaving = asyncio.get_running_loop(), leaving
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK):
                    await leaving.wait()
        self._leaving = None
        self._api.close()

    def leave(self) -> None:
        """End soon; from any thread."""
        self.should_exit = True
        serving = self._leaving
        if serving is not None:
            loop, leaving = serving
            with suppress(RuntimeError):  # its loop has ended meanwhile
                loop.call_soon_threadsafe(leaving.set)


class WebPart:
    """A part of the daemon."""

    name = "web"

    def __init__(self, standing: Standing, settings: Web, store: Store, url: str) -> None:
        """`url` is that of the store with its password: for the processes that render reports."""
        self.settings = settings
        self._standing = standing
        self._store = store
        self._url = url
        self.api: Api | None = None  # while it serves
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self._socket: socket.socket | None = None

    @staticmethod
    def problems(settings: Web) -> Iterator[tuple[str, str, str]]:
        """(key, found, allowed) of what may not be."""
        host, _ = address_of(settings.listen)
        if not is_loopback(host) and not settings.token:
            allowed = "an address of this machine alone such as 127.0.0.1:8765, or web.token as well"
            yield "web.listen", repr(settings.listen), allowed

    @property
    def port(self) -> int:
        """Where it listens; with port 0 in the settings, the one that was free."""
        assert self._socket is not None
        return int(self._socket.getsockname()[1])

    def initialize(self) -> None:
        """Listen. SoakError `web_port` when the address is taken."""
        host, port = address_of(self.settings.listen)
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._socket = socket.create_server((host, port), family=family)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNSENT_BYTES)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNTAKEN_MS)  # connections inherit it
        except OSError as error:
            raise SoakError("web_port", listen=self.settings.listen, why=error.strerror) from error
        self.api = Api(self._standing, self._store, self._url)
        app = make_app(self._standing, self.api, host=host, token=self.settings.token)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="off",
            limit_concurrency=CONNECTIONS,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=2,
        )
        self._server = _Server(config, self.api)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="soak-http", daemon=True)
        self._thread.start()

    def loop(self, now: float) -> float:
        """See that it still serves."""
        assert self._thread is not None
        if not self._thread.is_alive():
            raise SoakError("web_port", listen=self.settings.listen, why="the server ended")
        return LOOK_EVERY

    def shutdown(self) -> None:
        """Close what is open and stop listening."""
        server, thread, listening = self._server, self._thread, self._socket
        self._server = self._thread = self._socket = None
        if server is not None and thread is not None:
            server.leave()
            thread.join(STOP_SECONDS)
        if listening is not None:
            listening.close()
