"""One JSON value per line, without importing `json`: a target may have a `json.py` of its own."""

from __future__ import annotations

from .stdlib import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_json = load("_json")
MAX_REQUEST = 64 * 1024
MAX_REPLY = 16 * 1024 * 1024


class _Reader:
    """What the C scanner asks of a decoder."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float
    memo: dict[str, str]

    def __init__(self) -> None:
        self.memo = {}


def decode(line: str) -> object:
    """The value of one JSON line; ValueError when it is none."""
    try:
        value, _ = _json.make_scanner(_Reader())(line.strip(), 0)
    except StopIteration as error:
        raise ValueError("not JSON") from error
    return value


def encode(value: object) -> str:
    """`value` (None, bool, int, float, str, list, tuple, dict) as JSON; what is not finite becomes null."""
    parts: list[str] = []
    _write(value, parts.append)
    return "".join(parts)


def _write(value: object, put: Callable[[str], None]) -> None:
    if value is None or value is True or value is False:
        put("null" if value is None else "true" if value else "false")
    elif isinstance(value, int):
        put(int.__repr__(value))
    elif isinstance(value, float):
        put(float.__repr__(value) if value - value == 0.0 else "null")
    elif isinstance(value, dict):
        _write_dict(value, put)
    elif isinstance(value, (list, tuple)):
        put("[")
        for number, item in enumerate(value):
            if number:
                put(",")
            _write(item, put)
        put("]")
    else:
        put(_json.encode_basestring_ascii(str(value)))


def _write_dict(value: dict[object, object], put: Callable[[str], None]) -> None:
    put("{")
    for number, (key, item) in enumerate(value.items()):
        if number:
            put(",")
        put(_json.encode_basestring_ascii(str(key)))
        put(":")
        _write(item, put)
    put("}")
