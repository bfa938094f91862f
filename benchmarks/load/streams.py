"""A server of Server-Sent Events for the benchmark: `python -m benchmarks.load.streams PORT EVENTS_PER_SECOND`."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import uvloop

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


class Stream(asyncio.Protocol):
    """Gives every client the same events at the same time."""

    everybody: set[Stream] = set()  # noqa: RUF012  # shared on purpose

    def connection_made(self, transport: Any) -> None:
        """Remember the way out."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """The request: begin."""
        self.transport.write(HEAD)
        self.everybody.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        """Forget it."""
        self.everybody.discard(self)


async def main(port: int, rate: float) -> None:
    """Serve until killed."""
    loop = asyncio.get_running_loop()
    await loop.create_server(Stream, "127.0.0.1", port, backlog=2048)
    began, number = loop.time(), 0
    while True:
        number += 1
        await asyncio.sleep(began + number / rate - loop.time())  # from the beginning: what is late is not put off
        event = b'data: {"seq": %d, "value": "something that happened"}\n\n' % number
        chunk = b"%x\r\n%s\r\n" % (len(event), event)
        for stream in list(Stream.everybody):
            stream.transport.write(chunk)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), float(sys.argv[2])))
