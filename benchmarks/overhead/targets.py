"""Three kinds of work for a target to do: pure Python, a web request, asyncio tasks. Each call is one unit."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import Callable

from jinja2 import Environment

TEMPLATE = Environment(autoescape=True).from_string(
    "<ul>{% for row in rows %}<li class='{{ loop.cycle('a', 'b') }}'>{{ row.name }}: {{ row.value }}</li>"
    "{% endfor %}</ul>"
)


class Node:
    """A node of a binary tree, as pure Python programs build and walk them."""

    def __init__(self, depth: int) -> None:
        self.value = depth
        self.left = Node(depth - 1) if depth else None
        self.right = Node(depth - 1) if depth else None

    def total(self) -> int:
        """The sum of the tree."""
        return self.value + (self.left.total() if self.left else 0) + (self.right.total() if self.right else 0)


def pure() -> None:
    """Objects, calls, dictionaries, JSON."""
    Node(9).total()
    json.loads(json.dumps([{"id": number, "tags": ["a", "b", str(number)]} for number in range(200)]))


def wsgi() -> None:
    """What a request does: parse, look up, render, one file read and one written."""
    body = json.loads('{"user": 17, "items": [1, 2, 3, 4, 5, 6, 7, 8]}')
    rows = [{"name": f"item {number}", "value": number * body["user"]} for number in body["items"] * 8]
    page = TEMPLATE.render(rows=rows)
    with tempfile.TemporaryFile() as upload:
        upload.write(page.encode())
    with open("/etc/hosts", "rb") as table:
        table.read()
    os.stat("/etc/hosts")


async def _request(number: int) -> int:
    await asyncio.sleep(0)
    return len(json.dumps({"id": number, "rows": list(range(50))}))


async def _tasks() -> None:
    for _ in range(10):
        await asyncio.gather(*(asyncio.create_task(_request(number)) for number in range(10)))


def aio() -> Callable[[], None]:
    """A hundred tasks that each give way once."""
    loop = asyncio.new_event_loop()
    return lambda: loop.run_until_complete(_tasks())


KINDS: dict[str, Callable[[], Callable[[], None]]] = {"pure": lambda: pure, "wsgi": lambda: wsgi, "aio": aio}
