"""Parser glue under fire: whatever a server sends ends as a response or a named failure, never as a crash or a hang."""

from __future__ import annotations

import json
import struct
from typing import Any

import httpx
import pytest
from httpx_sse import EventSource
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame as OracleFrame
from websockets.frames import Opcode

from soak.load import frames_ws
from soak.load.http1 import MAX_HEAD, Http1, failure_of
from soak.load.sse import SseParser
from soak.load.validate import JsonPath, Sequence, StreamCheck, document_of


class Recorder(Http1):
    """Remembers how it ended."""

    def __init__(self) -> None:
        super().__init__()
        self.endings: list[str] = []

    def responded(self) -> None:
        """A response."""
        self.endings.append(f"status {self.status}")

    def broke(self, kind: str) -> None:
        """A failure: drop the connection, as the real ones do."""
        if not self.endings:
            self.endings.append(kind)
        self.abort()


def receive(*pieces: bytes, eof: bool = True, head_only: bool = False) -> Recorder:
    """What a client makes of these pieces, and of the end of the connection after them."""
    connection = Recorder()
    connection.bodyless = head_only
    for piece in pieces:
        connection.data_received(piece)
    if eof and not connection.closed:
        connection.connection_lost(None)
    return connection


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@pytest.mark.parametrize(
    ("sent", "ending"),
    [
        (OK, "status 200"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "status 204"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "status 200"),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", "status 200"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, "status 200"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK, "status 200"),
        (b"", "closed"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "closed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", "closed"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", "closed"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello", "malformed"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", "malformed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "malformed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: minus\r\n\r\n", "malformed"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "malformed"),
        (b"\x16\x03\x01\x02\x00\x01\x00", "malformed"),
        (b"HTTP/1.1 99999 OK\r\n\r\n", "malformed"),
    ],
)
def test_each_answer_has_its_name(sent: bytes, ending: str) -> None:
    """Whole or byte by byte, the same answer ends the same way."""
    assert receive(sent).endings[0] == ending
    assert receive(*(sent[i : i + 1] for i in range(len(sent)))).endings[0] == ending


def test_a_head_without_end_is_cut_off() -> None:
    """More than 256 KiB of headers are malformed, and are not kept."""
    connection = receive(b"HTTP/1.1 200 OK\r\n", *[b"X-Filler: " + b"y" * 8182 + b"\r\n"] * 40, eof=False)
    assert connection.endings == ["malformed"]
    assert len(connection.head) <= MAX_HEAD + 8194


def test_an_answer_to_head_ends_with_its_head() -> None:
    """Content-Length: 5 without a body, and no second use of the connection."""
    connection = receive(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", eof=False, head_only=True)
    assert connection.endings == ["status 200"]
    assert not connection.keep_alive


def test_a_server_that_says_too_much_is_not_used_again() -> None:
    """Two answers to one request: the first counts, the connection goes."""
    connection = receive(OK + OK, eof=False)
    assert connection.endings == ["status 200"]
    assert not connection.keep_alive


@pytest.mark.parametrize(
    ("value", "expected"), [(b"7", 7.0), (b" 120 ", 120.0), (b"soon", None), (b"-1", None), (b"9" * 30, None)]
)
def test_retry_after_is_read(value: bytes, expected: float | None) -> None:
    """Seconds, in any case and with spaces; nonsense is no time."""
    head = b"HTTP/1.1 503 Busy\r\nretry-AFTER:" + value + b"\r\nContent-Length: 0\r\n\r\n"
    assert receive(head, eof=False).retry_after == expected
    assert receive(*(head[i : i + 1] for i in range(len(head))), eof=False).retry_after == expected


def test_broken_connections_have_names() -> None:
    """By the error that the system gave."""
    assert failure_of(ConnectionRefusedError()) == "refused"
    assert failure_of(ConnectionResetError()) == "reset"
    assert failure_of(OSError(113, "No route")) == "connection"
    assert failure_of(None) == "closed"


_JSON = [
    b'{"seq": 1}',
    b' {"seq": 1}',
    b'{"seq": 1} ',
    b'{"seq": 1}x',
    b"[1, 2",
    b"7",
    b" 7\n",
    b"nul",
    b"NaN",
    b"",
    b'"\xc3\xa9"',
]


@settings(max_examples=200)
@given(st.one_of(st.binary(max_size=12), st.text(max_size=12).map(str.encode), st.sampled_from(_JSON)))
def test_messages_are_read_as_json_reads_them(message: bytes) -> None:
    """With spaces around, something behind, or no JSON at all."""
    try:
        expected = json.loads(message.decode())
    except ValueError:
        expected = None
    assert repr(document_of(message)) == repr(expected)


_START = [b"HTTP/1.1 ", b"HTTP/1.0 ", b"200", b"101", b"100", b" OK", b"\r\n", b"\n", b":", b" "]
_FIELDS = [b"Content-Length: ", b"Transfer-Encoding: chunked", b"Connection: close", b"Upgrade: websocket"]
GRAMMAR = st.sampled_from([*_START, *_FIELDS, b"5", b"0", b"hello", b"\x00", b"\xff", b"-1"])


@settings(max_examples=150)
@given(st.lists(st.one_of(GRAMMAR, st.binary(max_size=8)), max_size=30), st.booleans())
def test_no_answer_crashes_or_hangs(pieces: list[bytes], head_only: bool) -> None:
    """Nonsense made of the grammar's own words ends exactly once, by the end of the connection at the latest."""
    connection = receive(*pieces, head_only=head_only)
    assert connection.endings
    assert connection.endings[0].partition(" ")[0] in ("status", "malformed", "closed")


@settings(max_examples=100)
@given(st.integers(0, len(OK) - 1), st.binary(min_size=1, max_size=4), st.integers(1, 20))
def test_a_damaged_answer_ends(place: int, damage: bytes, size: int) -> None:
    """A good answer with some bytes replaced, in pieces of any size."""
    data = OK[:place] + damage + OK[place + len(damage) :]
    assert receive(*(data[i : i + size] for i in range(0, len(data), size))).endings


# Server-Sent Events, against httpx-sse --------------------------------------------------------------------------------


def oracle(data: bytes) -> list[str]:
    """What httpx-sse makes of a whole stream."""
    response = httpx.Response(200, headers={"Content-Type": "text/event-stream"}, content=data)
    return [event.data for event in EventSource(response).iter_sse() if event.data]


LINES = st.sampled_from(
    [
        "data: a",
        "data:b",
        "data:  c",
        "data",
        "data:",
        ": comment",
        "event: x",
        "id: 7",
        "retry: 10",
        "",
        "",
        "dat",
        "é",
    ]
)


@settings(max_examples=100)
@given(st.lists(LINES, max_size=20), st.sampled_from(["\n", "\r\n"]), st.integers(1, 12))
def test_events_are_those_that_httpx_sse_reads(lines: list[str], end: str, size: int) -> None:
    """The same data in the same order, cut into pieces of any size."""
    data = "".join(line + end for line in [*lines, ""]).encode()
    parser = SseParser()
    found = [event for i in range(0, len(data), size) for event in parser.feed(data[i : i + size])]
    assert [event.decode() for event in found] == oracle(data)


def test_a_byte_order_mark_and_lone_carriage_returns_are_read() -> None:
    """The standard allows both; httpx-sse knows no lone CR across pieces."""
    parser = SseParser()
    pieces = [b"\xef", b"\xbb\xbfdata: a\r", b"\rdata: b\r\r", b": end\r"]
    assert [event for piece in pieces for event in parser.feed(piece)] == [b"a", b"b"]


def test_an_event_without_end_is_refused() -> None:
    """Four MiB without an empty line are no event, and are not collected."""
    parser = SseParser()
    with pytest.raises(ValueError, match="4 MiB"):
        for _ in range(5000):
            parser.feed(b"data: " + b"x" * 1024 + b"\n")


# WebSocket frames, against websockets -----------------------------------------------------------------------------


def server_frame(opcode: int, payload: bytes, fin: bool = True) -> bytes:
    """What the websockets library sends as a server."""
    return OracleFrame(Opcode(opcode), payload, fin=fin).serialize(mask=False)


@settings(max_examples=150)
@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=70_000)), max_size=4), st.integers(1, 30_000))
def test_frames_are_read_as_they_were_sent(messages: list[tuple[int, bytes]], size: int) -> None:
    """Messages of any length, cut anywhere."""
    data = b"".join(server_frame(opcode, payload) for opcode, payload in messages)
    reader = frames_ws.FrameReader()
    found = [frame for i in range(0, len(data), size) for frame in reader.feed(data[i : i + size])]
    assert [(frame.opcode, frame.payload) for frame in found] == messages


def test_a_message_in_fragments_is_put_together_around_a_ping() -> None:
    """Control frames may come in between (RFC 6455, section 5.4)."""
    data = server_frame(1, b"he", fin=False) + server_frame(9, b"?") + server_frame(0, b"llo")
    found = frames_ws.FrameReader().feed(data)
    assert [(frame.opcode, frame.payload) for frame in found] == [(9, b"?"), (1, b"hello")]


@settings(max_examples=100)
@given(st.binary(max_size=70_000))
def test_our_frames_are_what_websockets_reads(payload: bytes) -> None:
    """Masked, with the right length; read back by the library's own parser."""
    parser = OracleFrame.parse(_exactly(frames_ws.encode(frames_ws.TEXT, payload)), mask=True)
    with pytest.raises(StopIteration) as end:
        next(parser)
    assert (end.value.value.opcode, bytes(end.value.value.data)) == (Opcode.TEXT, payload)


def _exactly(data: bytes) -> Any:
    place = [0]

    def read(count: int) -> Any:
        piece = data[place[0] : place[0] + count]
        place[0] += count
        return piece
        yield  # the parser wants a generator

    return read


@settings(max_examples=150)
@given(st.lists(st.binary(max_size=20), max_size=10))
def test_no_frame_crashes(pieces: list[bytes]) -> None:
    """Garbage is read, waited for or refused with ValueError."""
    reader = frames_ws.FrameReader()
    try:
        for piece in pieces:
            reader.feed(piece)
    except ValueError:
        return


@pytest.mark.parametrize(
    "data",
    [
        b"\x81\x81\x00\x00\x00\x00a",  # masked by a server
        b"\xc1\x01a",  # a reserved bit
        b"\x83\x01a",  # an opcode that does not exist
        b"\x80\x01a",  # a continuation of nothing
        b"\x01\x01a\x81\x01b",  # a new message inside another
        b"\x09\x01a",  # a control frame in pieces
        b"\x81\x7f" + struct.pack("!Q", 1 << 40),  # a terabyte
    ],
)
def test_what_a_server_must_not_send_is_refused(data: bytes) -> None:
    """RFC 6455, sections 5.1 to 5.5."""
    with pytest.raises(ValueError, match=r"frame|message|reserved"):
        frames_ws.FrameReader().feed(data)


def test_the_accept_key_is_that_of_the_standard() -> None:
    """The example of RFC 6455, section 1.3."""
    assert frames_ws.accept_of("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


# Validators ------------------------------------------------------------------------------------------------------


@given(st.permutations(list(range(12))))
def test_a_shuffled_stream_lacks_nothing(numbers: list[int]) -> None:
    """No number from the first seen on is missing; those before the first are strangers, not losses."""
    sequence = Sequence()
    for number in numbers:
        sequence.saw(number)
    assert sequence.missing == 0
    late = sum(number < max(numbers[:i], default=-1) for i, number in enumerate(numbers))
    assert sequence.out_of_order + sequence.duplicates == late


def test_a_gap_of_any_size_is_counted_without_being_stored() -> None:
    """A billion missing numbers cost ten thousand at most."""
    sequence = Sequence()
    sequence.saw(0)
    sequence.saw(1_000_000_000)
    assert sequence.missing == 999_999_999
    assert len(sequence._missing or ()) == 10_000


@pytest.mark.parametrize(
    ("path", "value"),
    [("$", {"a": [1, {"b": 2}]}), ("$.a[1].b", 2), ("$['a'][0]", 1), ("$.x", None), ("$.a[7]", None), ("$.a.b", None)],
)
def test_a_json_path_names_one_value(path: str, value: object) -> None:
    """Names, indices, quoted names; what is not there is None."""
    assert JsonPath(path).of({"a": [1, {"b": 2}]}) == value


@pytest.mark.parametrize("path", ["a", "$..a", "$.*", "$[?(@.a)]", "$.a["])
def test_other_json_paths_are_refused(path: str) -> None:
    """Those that could name several values, or none."""
    with pytest.raises(ValueError, match="JSON path"):
        JsonPath(path)


def test_messages_without_a_number_are_unreadable() -> None:
    """They prove nothing, and so the validation fails."""
    check = StreamCheck(JsonPath("$.seq"), ("order",))
    for message in (b'{"seq": 1}', b"not json", b'{"seq": "2"}', json.dumps({"seq": True}).encode(), b"[" * 100_000):
        check.saw(message)
    results = check.results(None)
    assert results["unreadable"] == 4
    assert check.broken(results) == ["not_order"]
