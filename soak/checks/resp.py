"""As much of the Redis protocol (RESP2) as a check and a probe need: one command, one answer."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from types import TracebackType
from urllib.parse import unquote, urlsplit

from soak.checks.outcome import CheckFailed

PORT = 6379
LONGEST_LINE = 64 * 1024  # bytes; an answer to PING, or a state, is much shorter


class Redis:
    """One connection to `redis://[user][:password@]host[:port][/db]`, `rediss://` with TLS; every wait is bounded."""

    def __init__(self, url: str, timeout: float) -> None:
        parts = urlsplit(url)
        host = parts.hostname or "localhost"
        self._socket = socket.create_connection((host, parts.port or PORT), timeout)
        try:
            if parts.scheme == "rediss":
                self._socket = ssl.create_default_context().wrap_socket(self._socket, server_hostname=host)
            self._file = self._socket.makefile("rb")
            if parts.password:
                user = (unquote(parts.username),) if parts.username else ()
                self.call("AUTH", *user, unquote(parts.password))
            database = parts.path.strip("/")
            if database:
                self.call("SELECT", database)
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Redis:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with suppress(OSError):
            self._file.close()
            self._socket.close()

    def call(self, *words: str) -> str | None:
        """Send one command; its simple answer as text, None for nil. CheckFailed for an error."""
        parts = [word.encode() for word in words]
        body = b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        self._socket.sendall(b"*%d\r\n%s" % (len(parts), body))
        return self._answer()

    def _answer(self) -> str | None:
        line = self._file.readline(LONGEST_LINE)
        if not line.endswith(b"\r\n"):
            raise CheckFailed("it closed the connection" if not line else "it does not speak the Redis protocol")
        kind, text = line[:1], line[1:-2].decode(errors="replace")
        if kind in (b"+", b":"):
            return text
        if kind == b"-":
            raise CheckFailed(f"it answered {text}")
        if kind == b"$" and text.lstrip("-").isdigit():
            return self._bulk(int(text))
        raise CheckFailed("it does not speak the Redis protocol")

    def _bulk(self, length: int) -> str | None:
        if length < 0:
            return None
        if length > LONGEST_LINE:
            raise CheckFailed(f"its answer has {length} bytes; at most {LONGEST_LINE} are read")
        return self._file.read(length + 2)[:-2].decode(errors="replace")
