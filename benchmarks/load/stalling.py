"""A server that stops once: `python -m benchmarks.load.stalling PORT SECONDS`, a second after its first request."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import uvloop

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BEFORE_S = 1.0


class Answers(asyncio.Protocol):
    """Answers at once, but not while the stall lasts."""

    began = 0.0
    stall = 0.0

    def connection_made(self, transport: Any) -> None:
        """Remember the way out."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """One request."""
        loop = asyncio.get_running_loop()
        kind = type(self)
        kind.began = kind.began or loop.time()
        since = loop.time() - kind.began - BEFORE_S
        if 0 <= since < kind.stall:
            loop.call_later(kind.stall - since, self.transport.write, ANSWER)
        else:
            self.transport.write(ANSWER)


async def main(port: int, stall: float) -> None:
    """Serve until killed."""
    Answers.stall = stall
    server = await asyncio.get_running_loop().create_server(Answers, "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), float(sys.argv[2])))
