"""What the parser made of a head once, it need not make of it again.

A server's answers to the same request differ in their bodies and, once a second, in their date. The parser is a
function of the bytes: a head that it has read before, followed by as many bytes as that head announces, is the same
answer again. Only answers whose length the head says (Content-Length) and that came in one piece are remembered;
everything else goes to the parser.
"""

from __future__ import annotations

import re

MOST = 64  # heads kept; a server that gives each answer a number of its own fills them with what never comes back
USELESS = 1000  # answers that are not remembered after that: remembering costs as much as parsing
LONGEST = 4096  # bytes of a head worth keeping

_LENGTH = re.compile(rb"\r\ncontent-length[ \t]*:[ \t]*(\d{1,15})[ \t]*(?=\r\n)", re.IGNORECASE)
_OTHER = re.compile(rb"(?<!\r)\n|\n(?:transfer-encoding|upgrade)[ \t]*:", re.IGNORECASE)  # or an end of its own

Answer = tuple[int, bool, float | None]  # status, keep-alive, Retry-After


class Heads:
    """The heads of one request's answers.

    `head` (with the empty line that ends it), `size` of the whole answer and `answer` are those of the latest one: to
    compare them is less work than `recall`, and they are right most of the time.
    """

    __slots__ = ("_known", "_pause", "answer", "head", "size")

    def __init__(self) -> None:
        self.head = b""
        self.size = -1
        self.answer: Answer = (0, False, None)
        self._known: dict[bytes, tuple[int, Answer]] = {}
        self._pause = 0

    def recall(self, data: bytes) -> Answer | None:
        """What the parser said of an answer like `data`; None when it has to be asked."""
        end = data.find(b"\r\n\r\n") + 4
        head = data[:end]
        found = self._known.get(head)
        if found is None or found[0] != len(data) or end < 4:
            return None
        self.head, self.size, self.answer = head, found[0], found[1]
        return found[1]

    def learn(self, data: bytes, answer: Answer) -> None:
        """What arrived, and what the parser said of it; only a whole answer of a length of its own is remembered."""
        if self._pause:
            self._pause -= 1
            return
        end = data.find(b"\r\n\r\n") + 4
        head = data[:end]
        if not 4 < end <= LONGEST or head[9:12] != b"%d" % answer[0]:  # the head of a 100 Continue is not the answer's
            return
        lengths = _LENGTH.findall(head)
        if len(lengths) != 1 or int(lengths[0]) != len(data) - end or _OTHER.search(head):
            return
        if len(self._known) >= MOST:
            self._known.clear()
            self._pause = USELESS
        self._known[head] = (len(data), answer)
        self.head, self.size, self.answer = head, len(data), answer
