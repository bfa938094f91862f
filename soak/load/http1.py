"""HTTP/1.1 on the client's side: a channel with the httptools parser behind it.

One exchange at a time on a connection. Whatever the server sends ends as a response or as a named failure; nothing
that it sends can raise out of here, keep the connection busy for ever or make it hold more than `MAX_HEAD` bytes.
"""

from __future__ import annotations

import errno
import re
import ssl
from typing import Any

import httptools

from soak.load.peer import Peer

MAX_HEAD = 256 * 1024  # of a response's status line and headers; servers' own limits are 8 to 64 KiB

NO_SOCKET = "no_socket"  # the generator itself had no descriptor, port or memory left for a connection
_OURS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL)

_FRAMED = re.compile(rb"\r?\n(?:content-length|transfer-encoding)[ \t]*:", re.IGNORECASE)
_RETRY_AFTER = re.compile(rb"\r?\nretry-after[ \t]*:[ \t]*(\d{1,9})[ \t]*\r?\n", re.IGNORECASE)


def failure_of(error: BaseException | None) -> str:
    """The kind of error to count for a connection that broke with `error` (None: the server closed it)."""
    if error is None:
        return "closed"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, ssl.SSLError):
        return "tls"
    if isinstance(error, OSError) and error.errno in _OURS:
        return NO_SOCKET
    if isinstance(error, ConnectionResetError | BrokenPipeError | ConnectionAbortedError):
        return "reset"
    return "connection"


class Http1(Peer):
    """Parser glue; a subclass says what happens when a response is complete or fails."""

    __slots__ = (
        "_keep",
        "_until_eof",
        "answered",
        "bodyless",
        "complete",
        "head",
        "head_complete",
        "parser",
        "status",
        "surplus",
        "tail",
    )

    def __init__(self) -> None:
        super().__init__()
        self.surplus = False  # it sent more than was asked for: not to be used again
        self.bodyless = False  # the request was a HEAD: its response ends with its head
        self.tail = b""  # bytes that followed a switch of protocols
        self.parser: Any = httptools.HttpResponseParser(self)
        self.expect()

    def expect(self) -> None:
        """Get ready for the next response."""
        self.status = 0
        self.answered = False  # its first byte arrived
        self.head_complete = False
        self.complete = False
        self._keep = False
        self.head = b""
        self._until_eof: bool | None = None

    # What a subclass implements ------------------------------------------------------------------------------------

    def opened(self) -> None:
        """The connection is there."""

    def headers_arrived(self) -> None:
        """A status and headers arrived; the body is still to come. Not called for a response in one piece."""

    def responded(self) -> None:
        """A whole response arrived."""

    # Channel -------------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes of the response."""
        if self.closed:
            return
        self.answered = True
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.tail = data[upgrade.args[0] :]
        except httptools.HttpParserError:
            if not self.complete:
                self.broke("malformed")
                return
            self.surplus = True
        if self.complete:
            self.head = self.head + data if self.head else data
            self.responded()
        else:
            self._partial(data)

    def connection_lost(self, error: BaseException | None) -> None:
        """The connection is gone, which ends a response without a length."""
        if error is None and self._until_eof and self.head_complete and not self.complete:
            self.complete = True
            self.responded()
        self.broke(failure_of(error))

    def drop(self) -> None:
        """Let go of the socket and of the parser, whose callbacks are ours: a circle."""
        super().drop()
        self.parser = None

    # httptools -----------------------------------------------------------------------------------------------------

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        if self.complete:
            self.surplus = True
        else:
            self.status = self.parser.get_status_code()
            self.head_complete = self.status >= 200 or self.status == 101
            self.complete = self.head_complete and self.bodyless

    def on_message_complete(self) -> None:
        """Called by the parser; 100 Continue and 103 Early Hints come before the response proper."""
        if self.head_complete:
            self.complete = True
            self._keep = self.parser.should_keep_alive()  # the parser forgets it right after this call

    # ---------------------------------------------------------------------------------------------------------------

    def _partial(self, data: bytes) -> None:
        if not self.head_complete:
            self.head += data
            if len(self.head) > MAX_HEAD:
                self.broke("malformed")
        elif self._until_eof is None:
            self.head += data
            self._until_eof = _FRAMED.search(self.head.partition(b"\r\n\r\n")[0]) is None
            self.headers_arrived()

    @property
    def keep_alive(self) -> bool:
        """May the connection be used again?"""
        return self._keep and not self.surplus

    @property
    def retry_after(self) -> float | None:
        """Seconds of a Retry-After header in the response that was just completed."""
        found = _RETRY_AFTER.search(self.head)
        return float(found.group(1)) if found else None
