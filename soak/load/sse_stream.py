"""An SSE scenario on the wire."""

from __future__ import annotations

from soak.load.sse import SseParser
from soak.load.stream import Stream


class SseStream(Stream):
    """GET (or what the scenario says), then events until the planned end."""

    __slots__ = ("_between", "_bodies", "_events")

    def opened(self) -> None:
        """Ask for the stream; `hold` of an abandoned one counts from here."""
        self._events = SseParser()
        self._bodies: list[bytes] = []
        self._between = False  # of the answer's chunks one is complete and the next has not begun
        self.write(self.group.request)
        if self.abandoning and self.group.scenario.hold is not None:
            self.after(self.group.scenario.hold, self.abandon)

    def on_body(self, body: bytes) -> None:
        """Called by the parser: a piece of the stream."""
        self._bodies.append(body)

    def on_chunk_header(self) -> None:
        """Called by the parser: a chunk begins."""
        self._between = False

    def on_chunk_complete(self) -> None:
        """Called by the parser: a chunk is over."""
        self._between = True

    def data_received(self, data: bytes) -> None:
        """Most of what comes is one chunk with one event, framed like one before: that needs no parser."""
        chunks = self.group.chunks
        if self._between:
            event = chunks.event(data)
            if event is not None and self._events.idle and not self.ended:
                self.message(event)
                return
        super().data_received(data)
        if self.ended:
            return
        if not data.endswith(b"\r\n"):  # the size of the next chunk may have begun
            self._between = False
        self._digest()
        if self._between and not self.ended:
            chunks.learn(data)

    def headers_arrived(self) -> None:
        """The answer has begun and goes on."""
        self.accept(self.status)
        self.head = b""

    def responded(self) -> None:
        """The answer is complete: a refusal, or a stream that the server has ended."""
        if not self.accepted:
            self.accept(self.status)
        self._digest()
        if self.abandoning:
            self.abandon()
        else:
            self.finish(self.group.scenario.messages)

    def _digest(self) -> None:
        bodies, self._bodies = self._bodies, []
        try:
            for body in bodies:
                for event in self._events.feed(body):
                    if not self.ended:
                        self.message(event)
        except ValueError:
            self.broke("malformed")
