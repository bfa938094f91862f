"""Channels on real sockets: what is written arrives whole, plain and over TLS, and what breaks is told."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from soak.load import channel as channel_module
from soak.load.channel import Channel
from soak.load.dial import Dialler
from soak.load.http1 import Http1
from soak.load.wire import Endpoint
from tests.common import PATIENCE_S, free_port
from tests.load.conftest import Client, WireServer, certificate

Serve = Callable[..., WireServer]
SIZE = 3_000_000  # more than any socket buffer takes at once


class Talk(Http1):
    """Sends when it is opened; notes what arrives and how it ended."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.data = data
        self.got = bytearray()
        self.over = asyncio.get_running_loop().create_future()

    def opened(self) -> None:
        """Say it, in two pieces."""
        self.write(self.data[:1000])
        self.write(self.data[1000:])

    def data_received(self, data: bytes) -> None:
        """Keep it."""
        self.got += data

    def connection_lost(self, error: BaseException | None) -> None:
        """The other side has gone."""
        self.over.set_result(error)

    def broke(self, kind: str) -> None:
        """It could not be reached."""
        self.over.set_result(kind)


def talk(url: str, data: bytes) -> tuple[Talk, object]:
    """What the server answered, and how the connection ended."""

    async def go() -> tuple[Talk, object]:
        dialler = Dialler(Endpoint.parse(url))
        await dialler.resolve()
        channel = Talk(data)
        dialler.dial(channel)
        return channel, await asyncio.wait_for(channel.over, 60)

    return uvloop.run(go())


async def digest(client: Client) -> None:
    """Reads so many bytes, slowly at first, and answers with as many."""
    await asyncio.sleep(0.1)
    data = await client.exactly(SIZE)
    await client.send(hashlib.sha256(data).digest() + data[::-1])


@pytest.mark.parametrize("tls", [False, True])
def test_more_than_the_buffers_hold_goes_through_both_ways(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: bool
) -> None:
    """Three megabytes to a server that reads late, and three back; then the server's end of it is told."""
    context = None
    if tls:
        path, context = certificate(tmp_path)
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
    data = bytes(range(256)) * (SIZE // 256) + b"x" * (SIZE % 256)
    channel, ending = talk(serve(digest, tls=context).url.replace("http:", "https:" if tls else "http:"), data)
    assert ending is None
    assert bytes(channel.got) == hashlib.sha256(data).digest() + data[::-1]


def test_a_reset_is_told_as_one(serve: Serve) -> None:
    """The server resets: the loss carries the error of the system."""

    async def reset(client: Client) -> None:
        await client.exactly(3)
        sock = client.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

    _, ending = talk(serve(reset).url, b"abc")
    assert isinstance(ending, ConnectionResetError)


def test_what_cannot_be_reached_has_its_name(serve: Serve) -> None:
    """Nobody listens; and nobody speaks TLS there."""
    assert talk(f"http://127.0.0.1:{free_port()}", b"")[1] == "refused"

    async def plain(client: Client) -> None:
        await client.send(b"this is no TLS, and never was\r\n" * 10)
        await client.until_end()

    assert talk(serve(plain).url.replace("http:", "https:"), b"")[1] == "tls"


def test_a_closed_channel_sends_what_was_written_first(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed at once after three megabytes were written: all of them arrive."""
    monkeypatch.setattr(channel_module, "LINGER_S", PATIENCE_S)

    async def count(client: Client) -> None:
        await client.exactly(SIZE)

    server = serve(count)

    async def go() -> None:
        class Hasty(Channel):
            def opened(self) -> None:
                self.write(b"y" * SIZE)
                self.close()

        sock = socket.create_connection(("127.0.0.1", server.port))
        sock.setblocking(False)
        channel = Hasty()
        channel.adopt(sock, asyncio.get_running_loop())
        while channel.sock is not None or not server.clients or server.clients[0].ending == "":
            await asyncio.sleep(0.01)

    uvloop.run(asyncio.wait_for(go(), 60))
    assert (len(server.clients[0].received), server.clients[0].ending) == (SIZE, "eof")


def test_a_connection_that_nobody_wants_any_more_is_not_opened(serve: Serve) -> None:
    """Aborted while it is dialled: no callback, no open socket."""

    async def nothing(client: Client) -> None:
        await client.until_end()

    server = serve(nothing)

    async def go() -> None:
        dialler = Dialler(Endpoint.parse(server.url))
        await dialler.resolve()
        channel = Talk(b"never")
        dialler.dial(channel)
        channel.abort()
        await asyncio.sleep(0.05)
        assert (channel.sock, channel.over.done()) == (None, False)

    uvloop.run(go())
    assert all(not client.received for client in server.clients)


def test_tls_without_uvloop(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """asyncio's own loop does as well."""
    path, context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))

    async def echo(client: Client) -> None:
        await client.send(await client.exactly(5))

    url = serve(echo, tls=context).url.replace("http:", "https:")

    async def go() -> Talk:
        dialler = Dialler(Endpoint.parse(url))
        await dialler.resolve()
        channel = Talk(b"hello")
        dialler.dial(channel)
        assert await asyncio.wait_for(channel.over, 60) is None
        return channel

    channel = asyncio.run(go())
    assert channel.got == b"hello"
    assert isinstance(context, ssl.SSLContext)
