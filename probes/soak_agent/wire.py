"""One JSON value per line, without importing `json`: a target may have a `json.py` of its own."""

from __future__ import annotations

from .stdlib import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_json = load("_json")
# Its arguments: no memory of circles, what stands for other objects, of strings, indent, separators, sorted and skipped
# keys, numbers that are not finite.
_encoder = _json.make_encoder(None, str, _json.encode_basestring_ascii, None, ":", ",", False, False, False)
LEVELS = 2  # a reply and the lists in it are written item by item: other threads have their turns in between
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
    _write(value, parts.append, LEVELS)
    return "".join(parts)


def _write(value: object, put: Callable[[str], None], levels: int) -> None:
    if levels and isinstance(value, dict):
        put("{")
        for number, (key, item) in enumerate(value.items()):
            put(f"{',' if number else ''}{_json.encode_basestring_ascii(str(key))}:")
            _write(item, put, levels - 1)
        put("}")
    elif levels and isinstance(value, (list, tuple)):
        put("[")
        for number, item in enumerate(value):
            if number:
                put(",")
            _write(item, put, levels - 1)
        put("]")
    else:
        put(_whole(value))


def _whole(value: object) -> str:
    """All of `value` by the C encoder."""
    try:
        return "".join(_encoder(value, 0))
    except (TypeError, ValueError):  # a key or a number that JSON has not
        return "".join(_encoder(_plain(value), 0))


def _plain(value: object) -> object:
    if isinstance(value, float):
        return value if value - value == 0.0 else None
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
