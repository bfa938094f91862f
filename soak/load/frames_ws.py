"""WebSocket frames (RFC 6455, section 5): what a client sends and what it reads."""

from __future__ import annotations

import base64
import hashlib
import os
import struct
from dataclasses import dataclass

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
MAX_MESSAGE = 4 * 1024 * 1024  # bytes of one message that are kept; a longer one is not a message to check
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@dataclass(frozen=True, slots=True)
class Frame:
    """A whole message (TEXT or BINARY) or a control frame."""

    opcode: int
    payload: bytes


def new_key() -> str:
    """A fresh Sec-WebSocket-Key."""
    return base64.b64encode(os.urandom(16)).decode()


def accept_of(key: str) -> str:
    """The Sec-WebSocket-Accept that belongs to `key` (section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()


def encode(opcode: int, payload: bytes) -> bytes:
    """A masked frame, as a client has to send it (section 5.3)."""
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size)
    mask = os.urandom(4)
    repeated = (mask * (size // 4 + 1))[:size]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(size, "big")
    return head + mask + masked


class FrameReader:
    """Bytes in, messages and control frames out; ValueError for what a server must not send."""

    def __init__(self) -> None:
        self._data = b""
        self._opcode = 0
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[Frame]:
        """What is complete with `chunk`."""
        data = self._data + chunk if self._data else chunk
        frames: list[Frame] = []
        position = 0
        while (found := _frame(data, position)) is not None:
            first, start, position = found
            frame = self._assemble(first, data[start:position])
            if frame is not None:
                frames.append(frame)
        self._data = data[position:]
        return frames

    def _assemble(self, first: int, payload: bytes) -> Frame | None:
        opcode, last = first & 0x0F, bool(first & 0x80)
        if opcode >= CLOSE:
            if not last or len(payload) > 125:
                raise ValueError("a control frame in pieces")
            return Frame(opcode, payload)
        if (opcode == CONTINUATION) != bool(self._opcode):
            raise ValueError("a frame out of sequence")
        if last and opcode:
            return Frame(opcode, payload)
        self._opcode = self._opcode or opcode
        self._parts.append(payload)
        self._size += len(payload)
        if self._size > MAX_MESSAGE:
            raise ValueError("a message of more than 4 MiB")
        if not last:
            return None
        frame = Frame(self._opcode, b"".join(self._parts))
        self._opcode, self._parts, self._size = 0, [], 0
        return frame


def _frame(data: bytes, at: int) -> tuple[int, int, int] | None:
    """First byte, start and end of the payload of the frame at `at`; None while it is incomplete."""
    if len(data) < at + 2:
        return None
    first, size = data[at], data[at + 1]
    if first & 0x70 or size & 0x80 or 0x3 <= first & 0x0F <= 0x7 or first & 0x0F > PONG:
        raise ValueError("reserved bits, a mask or an unknown opcode")
    start = at + 2
    if size >= 126:
        wide = 2 if size == 126 else 8
        if len(data) < start + wide:
            return None
        size = int.from_bytes(data[start : start + wide], "big")
        start += wide
    if size > MAX_MESSAGE:
        raise ValueError("a frame of more than 4 MiB")
    return (first, start, start + size) if len(data) >= start + size else None
