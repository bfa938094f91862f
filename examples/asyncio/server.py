"""A plain asyncio HTTP server. LEAK=1: every tenth request leaves a task that waits for an answer that never comes."""

import asyncio
import os

LEAK = os.environ.get("LEAK") == "1"
WAITING: set[asyncio.Task[None]] = set()
SERVED = 0


async def wait_for_receipt(number: int) -> None:
    """Waits for the event that nobody sets."""
    await asyncio.Event().wait()


def expect_receipt(number: int) -> None:
    """Keeps the task, as the documentation of create_task asks for."""
    task = asyncio.create_task(wait_for_receipt(number))
    WAITING.add(task)
    task.add_done_callback(WAITING.discard)


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers one request and closes."""
    global SERVED
    request = await reader.readline()
    while (await reader.readline()).strip():
        pass
    if b" /work " in request:
        SERVED += 1
        if LEAK and SERVED % 10 == 0:
            expect_receipt(SERVED)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n")
    await writer.drain()
    writer.close()


async def main() -> None:
    """Serves until it is ended."""
    server = await asyncio.start_server(serve, "127.0.0.1", 8104)
    await server.serve_forever()


asyncio.run(main())
