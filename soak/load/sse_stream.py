"""An SSE scenario on the wire."""

from __future__ import annotations

from soak.load.sse import SseParser
from soak.load.stream import Stream


class SseStream(Stream):
    """GET (or what the scenario says), then events until the planned end."""

    __slots__ = ("_bodies", "_events")

    def opened(self) -> None:
        """Ask for the stream; `hold` of an abandoned one counts from here."""
        self._events = SseParser()
        self._bodies: list[bytes] = []
        self.write(self.group.request)
        if self.abandoning and self.group.scenario.hold is not None:
            self.after(self.group.scenario.hold, self.abandon)

    def on_body(self, body: bytes) -> None:
        """Called by the parser: a piece of the stream."""
        self._bodies.append(body)

    def data_received(self, data: bytes) -> None:
        """Called by the channel."""
        super().data_received(data)
        if not self.ended:
            self._digest()

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
