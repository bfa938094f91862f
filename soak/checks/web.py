"""One HTTP GET on a connection of its own, closed at once: it must not count as the target's for longer."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

MOST_BYTES = 1 << 20  # of an answer: more is not read


def get(url: str, timeout: float) -> tuple[int, bytes]:
    """Status and body; OSError or http.client.HTTPException when there was no answer. Redirects are not followed."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "localhost", parts.port, timeout=timeout)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("GET", path, headers={"Connection": "close", "User-Agent": "soak-check"})
        answer = connection.getresponse()
        return answer.status, answer.read(MOST_BYTES)
    finally:
        connection.close()
