"""A WebSocket scenario on the wire."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from soak.load.frames_ws import CLOSE, PING, PONG, TEXT, FrameReader, accept_of, encode, new_key
from soak.load.stream import Stream

if TYPE_CHECKING:
    from soak.load.accounts import Job
    from soak.load.plan import ScenarioPlan
    from soak.load.single import Singles

SWITCHING = 101
BLANK_KEY = "AAAAAAAAAAAAAAAAAAAAAA=="  # sixteen zero bytes
_NORMAL = struct.pack("!H", 1000)


def upgrade_headers(scenario: ScenarioPlan) -> dict[str, str]:
    """What a handshake adds to the scenario's own headers (RFC 6455, section 4.1)."""
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": BLANK_KEY,
        "Sec-WebSocket-Version": "13",
    }
    if scenario.subprotocols:
        headers["Sec-WebSocket-Protocol"] = ", ".join(scenario.subprotocols)
    return {**headers, **scenario.headers}


class WebSocketStream(Stream):
    """Handshake, the scenario's `send`, then messages until the planned end; pings are answered.

    The request is encoded once with `BLANK_KEY`, which each handshake replaces by a key of its own.
    """

    __slots__ = ("_frames", "_key", "_leaving")

    def __init__(self, group: Singles, job: Job, abandon: bool) -> None:
        self._frames: FrameReader | None = None
        self._leaving = False
        super().__init__(group, job, abandon)

    def opened(self) -> None:
        """Ask for the upgrade."""
        self._key = new_key()
        self.write(self.group.request.replace(BLANK_KEY.encode(), self._key.encode(), 1))

    def welcome(self, status: int) -> bool:
        """Only a switch of protocols is an open WebSocket."""
        return status == SWITCHING

    def responded(self) -> None:
        """The answer to the handshake."""
        if self.status == SWITCHING and not self._valid():
            self.broke("malformed")
            return
        self.accept(self.status)
        if self.ended:
            return
        self._frames = FrameReader()
        for text in self.group.scenario.send:
            self.write(encode(TEXT, text.encode()))
        if self.tail:
            self._read(self.tail)

    def _valid(self) -> bool:
        accepted = _header(self.head, b"sec-websocket-accept")
        return accepted == accept_of(self._key)

    def data_received(self, data: bytes) -> None:
        """Called by the channel: HTTP up to the handshake, frames after it."""
        if self._frames is None:
            super().data_received(data)
        elif not self.ended:
            self._read(data)

    def _read(self, data: bytes) -> None:
        assert self._frames is not None
        try:
            frames = self._frames.feed(data)
        except ValueError:
            self.broke("malformed")
            return
        for frame in frames:
            if self.ended:
                return
            if frame.opcode == PING:
                self.write(encode(PONG, frame.payload))
            elif frame.opcode == CLOSE:
                self._closed()
            elif frame.opcode != PONG:
                self.message(frame.payload)

    def _closed(self) -> None:
        """The server says goodbye: say it too."""
        self.write(encode(CLOSE, _NORMAL))
        if self.abandoning:
            self.abandon()
        else:
            self.finish(self.group.scenario.messages)

    def finish(self, expected: int | None = None) -> None:
        """Close in good order: a close frame goes first."""
        if not self.ended and self._frames is not None:
            self.write(encode(CLOSE, _NORMAL))
        super().finish(expected)

    # Abandoning ----------------------------------------------------------------------------------------------------

    def plan_to_leave(self) -> None:
        """With `hold` and no `until`: leave so long after the handshake."""
        scenario = self.group.scenario
        if scenario.hold is not None and scenario.until is None:
            self.after(scenario.hold, self.abandon)

    def leave_after(self, data: bytes) -> None:
        """Leave after the message that contains `until` (and `hold` after it), else after the first message."""
        scenario = self.group.scenario
        if scenario.until is None:
            super().leave_after(data)
        elif scenario.until.encode() in data and not self._leaving:
            self._leaving = True
            if scenario.hold is None:
                self.abandon()
            else:
                self.after(scenario.hold, self.abandon)


def _header(head: bytes, name: bytes) -> str:
    for line in head.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            return value.strip().decode("latin-1")
    return ""
