"""What an SSE stream makes of chunks, whole and alike or in any other way: the same as without its short cut."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from soak.load import ScenarioPlan
from soak.load.accounts import Accounts, Job
from soak.load.single import Singles
from soak.load.sse import Chunks, SseParser
from soak.load.sse_stream import SseStream
from soak.load.tally import Tally

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


class Reading(SseStream):
    """Keeps what it was told."""

    __slots__ = ("messages",)

    def __init__(self, group: Singles) -> None:
        self.messages: list[bytes] = []
        super().__init__(group, Job(Tally(0, "stream"), 0.0, 0.0), abandon=False)

    def message(self, data: bytes) -> None:
        self.messages.append(data)
        super().message(data)


class Counted(Chunks):
    """Counts the short cuts."""

    taken = 0

    def event(self, data: bytes) -> bytes | None:
        found = super().event(data)
        self.taken += found is not None
        return found


class NoDialler:
    """Connects nothing: what arrives comes from the test."""

    def dial(self, *_: Any) -> None:
        """Not at all."""


def read(pieces: list[bytes]) -> tuple[list[bytes], int, bool]:
    """The messages of a stream that receives these pieces, how many took the short cut, and whether it goes on."""

    async def go() -> tuple[list[bytes], int, bool]:
        scenario = ScenarioPlan(kind="sse")
        group = Singles(scenario, b"", Accounts(0.0, lambda: None), NoDialler(), 1e6, None)  # type: ignore[arg-type]
        group.chunks = counted = Counted()
        stream = Reading(group)
        stream.opened()
        for piece in [HEAD, *pieces]:
            if not stream.ended:
                stream.data_received(piece)
        stream.stop_timer()
        return stream.messages, counted.taken, not stream.ended

    return asyncio.run(go())


def chunk(body: bytes, form: str = "%x", extension: bytes = b"") -> bytes:
    """One chunk of RFC 9112 section 7.1."""
    return (form % len(body)).encode() + extension + b"\r\n" + body + b"\r\n"


text = st.text("ab:\r\n {}", max_size=6)
fields = st.sampled_from(["data: ", "data:", ": ", "id: ", ""])
lines = st.lists(st.tuples(fields, text).map("".join), min_size=1, max_size=3)
body = lines.map(lambda all_of: ("\n".join(all_of) + "\n\n").encode())
values = st.sampled_from(["", "a", "b", "ab", "a" * 9, "a" * 10, "a" * 300])
plain = values.map(lambda value: f"data: {value}\n\n".encode())
forms = st.sampled_from(["%x", "%x", "%X", "%04x"])
framed = st.builds(chunk, st.one_of(plain, plain, body), forms, st.sampled_from([b"", b"", b";a=b"]))


@given(st.lists(framed, min_size=1, max_size=12), st.lists(st.integers(0, 400), max_size=6))
def test_messages_are_those_of_the_body_however_it_is_cut(chunks: list[bytes], cuts: list[int]) -> None:
    """Whole chunks one by one, and all of it cut anywhere: what a parser of the body alone finds in it."""
    whole = b"".join(piece.partition(b"\r\n")[2][:-2] for piece in chunks)
    expected = list(SseParser().feed(whole))
    data = b"".join(chunks)
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    cut_up = [data[first:last] for first, last in pairwise(edges)]
    assert read(chunks)[::2] == (expected, True)
    assert read(cut_up)[::2] == (expected, True)


def test_chunks_that_look_like_one_before_take_the_short_cut() -> None:
    """And only those: not one whose size says something else, nor one that holds two events or a comment."""
    events = [chunk(b'data: {"seq": %d}\n\n' % number) for number in range(10)]
    messages, taken, goes_on = read(events)
    assert (len(messages), taken, goes_on) == (10, 9, True)
    size = len(b'data: {"seq": 0}\n\n')
    for other in (b"data: a\ndata: bbcc\n\n", b"data: a\n\ndata: b\n\n", b': {"seq": 0}\n\n', b"data: a\rb\n\n"):
        filled = other.replace(b"a", b"a" * (1 + size - len(other)), 1) if len(other) < size else other
        assert read([*events[:2], chunk(filled)])[1] == 1


def test_a_chunk_whose_size_is_not_its_size_is_malformed() -> None:
    """The short cut takes nothing that the parser would refuse."""
    good = chunk(b"data: aaaa\n\n")
    messages, taken, goes_on = read([good, good, good.replace(b"c\r", b"b\r", 1)])
    assert (len(messages), taken, goes_on) == (2, 1, False)
