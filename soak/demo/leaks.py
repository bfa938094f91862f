"""The planted leaks of the bundled target: each one a mistake that is made in real services.

The line that leaks carries the comment `# leak: NAME`; `truth()` finds it there, so that what `soak demo`
expects moves with the code.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

_RECEIPT_LINE = "order {:010d}: one of everything, paid\n"
_PAGE = 4096

_receipts: list[str] = []
_quotes: dict[int, str] = {}
_ledgers: list[IO[bytes]] = []
_reporters: list[socket.socket] = []
_watchers: set[asyncio.Task[None]] = set()
_waiting: list[threading.Thread] = []
_buffers: list[mmap.mmap] = []
_helpers: list[subprocess.Popen[bytes]] = []
_never = threading.Event()


@dataclass(frozen=True, slots=True)
class Planted:
    """Where a leak is: what a report must name."""

    file: str
    line: int
    function: str


def remember(order: int, size: int) -> None:
    """Keep the receipt for a history page that nobody ever empties."""
    line = _RECEIPT_LINE.format(order)
    _receipts.append(line * (size // len(line) + 1))  # leak: list


def quote(order: int, size: int) -> None:
    """Cache a price by order number: each number comes once, so nothing is ever found and nothing leaves."""
    line = _RECEIPT_LINE.format(order)
    _quotes[order] = line * (size // len(line) + 1)  # leak: cache


def open_ledger(order: int, size: int) -> None:
    """Open a file for reading and forget to close it."""
    _ledgers.append(Path(os.devnull).open("rb"))  # noqa: SIM115 -- not closing it is the point  # leak: fd


def report_sale(order: int, size: int) -> None:
    """Make a new metrics client for each sale."""
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # leak: socket
    client.connect(("127.0.0.1", 9))
    _reporters.append(client)


def watch(order: int, size: int) -> None:
    """Watch an order for a change that never comes."""
    task = asyncio.get_running_loop().create_task(_changed())  # leak: task
    _watchers.add(task)
    task.add_done_callback(_watchers.discard)


def wait_for_payment(order: int, size: int) -> None:
    """Wait for a payment in a thread, without a timeout."""
    thread = threading.Thread(target=_never.wait, daemon=True)
    thread.start()  # leak: thread
    _waiting.append(thread)


def map_buffer(order: int, size: int) -> None:
    """Map anonymous memory, as an extension module would, and keep it: no Python heap grows."""
    buffer = mmap.mmap(-1, size + _PAGE)  # leak: mmap
    for offset in range(0, size, _PAGE):
        buffer[offset] = 1
    _buffers.append(buffer)


def print_label(order: int, size: int) -> None:
    """Start a helper and never wait for it: it stays as a zombie."""
    _helpers.append(subprocess.Popen([sys.executable, "-S", "-E", "-c", ""]))  # leak: child


def spool(order: int, size: int) -> None:
    """Write a temporary file that nobody deletes."""
    handle, _ = tempfile.mkstemp(prefix="soak-demo-")  # leak: tmp_file
    os.close(handle)


async def _changed() -> None:
    await asyncio.get_running_loop().create_future()


# Leaks of memory happen with every order, leaks of things that are counted with every n-th.
OF_MEMORY: dict[str, Callable[[int, int], None]] = {"list": remember, "cache": quote, "mmap": map_buffer}
OF_THINGS: dict[str, Callable[[int, int], None]] = {
    "fd": open_ledger,
    "socket": report_sale,
    "task": watch,
    "thread": wait_for_payment,
    "child": print_label,
    "tmp_file": spool,
}
LEAKS: dict[str, Callable[[int, int], None]] = {**OF_MEMORY, **OF_THINGS}


def truth(name: str) -> Planted:
    """File, line and function of a planted leak."""
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    number = next(number for number, text in enumerate(lines, 1) if text.endswith(f"# leak: {name}"))
    return Planted(__file__, number, LEAKS[name].__name__)


def held() -> dict[str, Any]:
    """How many of each thing are held, for the target's own /metrics."""
    return {
        "list": len(_receipts),
        "cache": len(_quotes),
        "mmap": len(_buffers),
        "fd": len(_ledgers),
        "socket": len(_reporters),
        "task": len(_watchers),
        "thread": len(_waiting),
        "child": len(_helpers),
    }
