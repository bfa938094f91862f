"""Is a stream what it should be? Order, no duplicates, all delivered, by a running number in each message."""

from __future__ import annotations

import json
import re
from typing import Any

MAX_MISSING = 10_000  # numbers remembered as not yet seen; more are counted as missing for good

_DECODE = json.JSONDecoder().raw_decode  # a value at the beginning of a text, and where it ends
_STEP = re.compile(r"\.([A-Za-z_][\w-]*)|\[(\d+)\]|\['([^']*)'\]")


class JsonPath:
    """The part of JSON path that names one value: `$.seq`, `$.meta.n`, `$[0]`, `$['a b']`; ValueError for others."""

    def __init__(self, path: str) -> None:
        if not path.startswith("$"):
            raise ValueError(f"a JSON path begins with $: {path}")
        self._steps: list[str | int] = []
        position = 1
        while position < len(path):
            found = _STEP.match(path, position)
            if found is None:
                raise ValueError(f"not a JSON path to one value: {path}")
            name, index, quoted = found.groups()
            self._steps.append(int(index) if index is not None else name if name is not None else quoted)
            position = found.end()
        only = self._steps[0] if len(self._steps) == 1 else None
        self._name = only if isinstance(only, str) else None
        self._last: tuple[bytes, Any] = (b"", None)

    def in_message(self, message: bytes) -> Any:
        """The value in a message in JSON; what many streams get alike is read once."""
        last, value = self._last
        if message != last:
            value = self.of(document_of(message))
            self._last = message, value
        return value

    def of(self, document: Any) -> Any:
        """The value there; None when there is none."""
        if self._name is not None:
            return document.get(self._name) if isinstance(document, dict) else None
        for step in self._steps:
            if isinstance(step, int):
                if not isinstance(document, list) or step >= len(document):
                    return None
            elif not isinstance(document, dict) or step not in document:
                return None
            document = document[step]
        return document


def document_of(message: bytes) -> Any:
    """What json.loads makes of a message in UTF-8, in half of the time; None when it is no JSON."""
    try:
        text = message.decode()
        if text[:1] in "{[":
            document, end = _DECODE(text)
            if end == len(text):
                return document
        return json.loads(text)  # spaces around it, or something behind
    except (ValueError, RecursionError):
        return None


class Sequence:
    """Running numbers of one stream: which came twice, late or not at all."""

    __slots__ = ("_highest", "_lost", "_missing", "duplicates", "out_of_order", "unreadable")

    def __init__(self) -> None:
        self._highest: int | None = None
        self._missing: set[int] | None = None  # most streams never need one
        self._lost = 0
        self.duplicates = 0
        self.out_of_order = 0
        self.unreadable = 0

    def saw(self, number: object) -> None:
        """The next message carried this number."""
        if isinstance(number, bool) or not isinstance(number, int):
            self.unreadable += 1
        elif self._highest is None:
            self._highest = number
        elif number > self._highest:
            self._skip(self._highest + 1, number)
            self._highest = number
        elif self._missing is not None and number in self._missing:
            self._missing.remove(number)
            self.out_of_order += 1
        else:
            self.duplicates += 1

    def _skip(self, first: int, end: int) -> None:
        if first == end:
            return
        if self._missing is None:
            self._missing = set()
        room = min(end - first, MAX_MISSING - len(self._missing))
        self._missing.update(range(first, first + room))
        self._lost += end - first - room

    @property
    def missing(self) -> int:
        """Numbers between the first and the highest that never came."""
        return len(self._missing or ()) + self._lost


class StreamCheck:
    """What is proved of one stream."""

    __slots__ = ("_path", "_validate", "messages", "sequence")

    def __init__(self, path: JsonPath | None, validate: tuple[str, ...]) -> None:
        """`path` leads to the running number; None when nothing is to be proved by one."""
        self._path = path
        self._validate = validate
        self.sequence = Sequence()
        self.messages = 0

    def saw(self, message: bytes) -> None:
        """A message arrived."""
        self.messages += 1
        if self._path is not None:
            self.sequence.saw(self._path.in_message(message))

    def results(self, expected: int | None) -> dict[str, int]:
        """Counts of this stream; `expected` messages were to come, None when that is not known."""
        sequence = self.sequence
        short = max(0, expected - self.messages) if expected is not None and not sequence.missing else 0
        return {
            "streams": 1,
            "messages": self.messages,
            "duplicates": sequence.duplicates,
            "out_of_order": sequence.out_of_order,
            "missing": sequence.missing + short,
            "unreadable": sequence.unreadable,
        }

    def broken(self, results: dict[str, int]) -> list[str]:
        """The validations that this stream did not pass, as kinds of error."""
        blind = bool(results["unreadable"]) or not self.messages
        of = {
            "order": results["out_of_order"] > 0 or blind,
            "no-duplicates": results["duplicates"] > 0 or blind,
            "all-delivered": results["missing"] > 0 or blind,
        }
        return [f"not_{name}" for name in self._validate if of[name]]
