"""Is the port free before the target starts, and does the target answer after?"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

_ANSWER = 2.0  # seconds that one try may take


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the target listens, from its url."""

    scheme: str
    host: str
    port: int
    prefix: str

    @classmethod
    def of(cls, url: str) -> Endpoint:
        """Take an http or https url apart; the scheme's port where none is written."""
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme in ("https", "wss") else 80)
        return cls(parts.scheme, parts.hostname or "localhost", port, parts.path.rstrip("/"))

    def accepts(self) -> bool:
        """Whether somebody takes a connection."""
        try:
            with socket.create_connection((self.host, self.port), timeout=_ANSWER):
                return True
        except OSError:
            return False

    def status(self, path: str) -> int | None:
        """The HTTP status of a GET; None when there was no answer."""
        connection = self._connect()
        try:
            connection.request("GET", self.prefix + path, headers={"Connection": "close"})
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        if self.scheme in ("https", "wss"):
            context = ssl.create_default_context()
            context.check_hostname = False  # whether it is up, not who it is
            context.verify_mode = ssl.CERT_NONE
            return http.client.HTTPSConnection(self.host, self.port, timeout=_ANSWER, context=context)
        return http.client.HTTPConnection(self.host, self.port, timeout=_ANSWER)


def readiness(url: str | None, path: str | None) -> tuple[Callable[[], bool], str] | None:
    """How to ask whether the target is up, and what is asked, for the message; None when there is no url to ask."""
    if url is None:
        return None
    endpoint = Endpoint.of(url)
    if path is None:
        return endpoint.accepts, f"{endpoint.host}:{endpoint.port} accepts no connection"

    def ready() -> bool:
        status = endpoint.status(path)
        return status is not None and status < 500

    return ready, f"{endpoint.host}:{endpoint.port}{endpoint.prefix}{path} gives no answer below 500"
