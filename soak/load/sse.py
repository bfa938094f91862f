"""Server-Sent Events: the stream format of the HTML standard (section 9.2), read piece by piece."""

from __future__ import annotations

MAX_EVENT = 4 * 1024 * 1024  # bytes of one event or line; more is not a stream of events
_BOM = b"\xef\xbb\xbf"


class SseParser:
    """Bytes in, the data of whole events out. Comments, ids, names and retry times are read over."""

    __slots__ = ("_begun", "_data", "_rest", "_size")

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0
        self._begun = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of the events that are complete with `chunk`; ValueError when an event grows beyond all measure."""
        if chunk[:6] == b"data: " and chunk[-2:] == b"\n\n" and self._simple(chunk):
            return [chunk[6:-2]]
        text = self._rest + chunk if self._rest else chunk
        if not self._begun:
            if len(text) < len(_BOM) and _BOM.startswith(text):
                self._rest = text
                return []
            text = text.removeprefix(_BOM)
            self._begun = True
        lines = text.splitlines(keepends=True)
        self._rest = b""
        if lines and (not lines[-1].endswith((b"\n", b"\r")) or lines[-1].endswith(b"\r")):
            self._rest = lines.pop()  # a line that goes on, or a CR whose LF may still come
        if len(self._rest) + self._size > MAX_EVENT:
            raise ValueError("an event of more than 4 MiB")
        return self._events(lines)

    @property
    def idle(self) -> bool:
        """Between two events, of a stream that has begun."""
        return self._begun and not self._rest and not self._data

    def _simple(self, chunk: bytes) -> bool:
        """One event of one line, as most are: no need to take it apart."""
        return self.idle and len(chunk) > 8 and chunk.count(b"\n") == 2 and b"\r" not in chunk

    def _events(self, lines: list[bytes]) -> list[bytes]:
        events = []
        for raw in lines:
            line = raw.rstrip(b"\r\n")
            if line[:5] == b"data:":
                value = line[6:] if line[5:6] == b" " else line[5:]
                self._data.append(value)
                self._size += len(value) + 1
            elif line == b"data":
                self._data.append(b"")
                self._size += 1
            elif not line and self._data:
                event = b"\n".join(self._data)
                self._data, self._size = [], 0
                if event:
                    events.append(event)
        return events


class Chunks:
    """How the chunks of HTTP/1.1 (RFC 9112 section 7.1) look that carry one event of one line each: all streams of a
    scenario get events of the same few lengths.
    """

    __slots__ = ("_begin", "_size")

    def __init__(self) -> None:
        self._size = 0  # bytes of the whole chunk; 0: none is known
        self._begin = b""  # of it, with the name of the event's field

    def event(self, data: bytes) -> bytes | None:
        """The event in a chunk that is framed like the last one learned; None in any other."""
        begin, size = self._begin, self._size
        if len(data) != size or not data.startswith(begin) or not data.endswith(b"\n\n\r\n"):
            return None
        start, end = len(begin), size - 4
        if data.find(b"\n", start) != end or data.find(b"\r", start) != end + 2:
            return None
        return data[start:end]

    def learn(self, data: bytes) -> None:
        """Remember how `data`, which the parsers have read, was framed, if it was one chunk with one event."""
        chunk = data.partition(b"\r\n")[2]
        begin = b"%x\r\ndata: " % max(0, len(chunk) - 2)
        if data.startswith(begin) and data.endswith(b"\n\n\r\n") and len(data) > len(begin) + 4:
            self._begin, self._size = begin, len(data)
