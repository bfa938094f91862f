"""The plain kinds of value in soak.toml: each reads one TOML value or says what would be allowed."""

from __future__ import annotations

import datetime
import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from soak.config.place import Place
from soak.config.units import parse_duration, parse_percent, parse_size


class Wrong(Exception):
    """The value is refused; the kind's `allowed` (or this message) says what would do."""


class Kind(Protocol):
    """Reads one value; `allowed` is the sentence for problems and for the reference."""

    @property
    def allowed(self) -> str:
        """What may be written here."""

    def read(self, value: Any, place: Place) -> Any:
        """The parsed value; raises Wrong, or reports at a child of `place` and leaves that part out."""


@dataclass(frozen=True, slots=True)
class Text:
    """A string, not empty."""

    allowed: str = "a string that is not empty"
    pattern: str = r"(?s).+"

    def read(self, value: Any, place: Place) -> str:
        """The string as written."""
        if not isinstance(value, str) or re.fullmatch(self.pattern, value) is None:
            raise Wrong
        return str(value)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression of the re module."""

    allowed: str = "a regular expression"

    def read(self, value: Any, place: Place) -> str:
        """The expression as written."""
        if not isinstance(value, str) or not value:
            raise Wrong
        try:
            re.compile(value)
        except re.error as error:
            raise Wrong(f"a regular expression ({error})") from None
        return str(value)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    @property
    def allowed(self) -> str:
        """The words."""
        return "one of " + ", ".join(f'"{word}"' for word in self.words)

    def read(self, value: Any, place: Place) -> str:
        """The word as written."""
        if not isinstance(value, str) or value not in self.words:
            raise Wrong
        return str(value)


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false."""

    allowed: str = "true or false"

    def read(self, value: Any, place: Place) -> bool:
        """The boolean."""
        if not isinstance(value, bool):
            raise Wrong
        return value


@dataclass(frozen=True, slots=True)
class Number:
    """An integer or a real number between two bounds, both included."""

    low: float
    high: float = float("inf")
    whole: bool = False
    above_low: bool = False

    @property
    def allowed(self) -> str:
        """The range in words."""
        what = "a whole number" if self.whole else "a number"
        least = "above" if self.above_low else "of at least"
        most = f", at most {self.high:,.10g}" if self.high != float("inf") else ""
        return f"{what} {least} {self.low:g}{most}"

    def read(self, value: Any, place: Place) -> float:
        """The number, an int when it has to be whole."""
        if isinstance(value, bool) or not isinstance(value, int if self.whole else (int, float)):
            raise Wrong
        if not self.low <= value <= self.high or (self.above_low and value == self.low):
            raise Wrong
        return value if self.whole else float(value)


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time, in seconds once read (or times `scale`, for limits kept in milliseconds)."""

    least: float = 0.0
    scale: float = 1.0

    @property
    def allowed(self) -> str:
        """Examples, and the least there may be."""
        bound = f" of at least {self.least:g} s" if self.least else ""
        return f'a duration{bound} such as "250ms", "90s", "5m", "1h30m"'

    def read(self, value: Any, place: Place) -> float:
        """Seconds times `scale`."""
        seconds = _parsed(parse_duration, value)
        if seconds < self.least:
            raise Wrong
        return seconds * self.scale


@dataclass(frozen=True, slots=True)
class Size:
    """A number of bytes."""

    allowed: str = 'a size such as "512KB" or "1MB" (1 MB = 1,048,576 bytes)'

    def read(self, value: Any, place: Place) -> int:
        """Bytes."""
        return int(_parsed(parse_size, value))


@dataclass(frozen=True, slots=True)
class Percent:
    """A share, a ratio once read."""

    high: float = 100.0

    @property
    def allowed(self) -> str:
        """An example, and the most there may be."""
        bound = f', at most "{self.high:g}%"' if self.high != float("inf") else ""
        return f'a percentage such as "50%"{bound}'

    def read(self, value: Any, place: Place) -> float:
        """The ratio: 0.8 for "80%"."""
        ratio = _parsed(parse_percent, value)
        if ratio > self.high / 100:
            raise Wrong
        return ratio


@dataclass(frozen=True, slots=True)
class Url:
    """An absolute URL of one of the schemes."""

    schemes: tuple[str, ...] = ("http", "https")

    @property
    def allowed(self) -> str:
        """The schemes."""
        return "a URL that begins with " + " or ".join(f"{scheme}://" for scheme in self.schemes)

    def read(self, value: Any, place: Place) -> str:
        """The URL as written."""
        if not isinstance(value, str):
            raise Wrong
        try:
            parts = urlsplit(value)
            good = parts.scheme in self.schemes and (parts.hostname or parts.scheme == "sqlite")
            _ = parts.port
        except ValueError:
            raise Wrong from None
        if not good:
            raise Wrong
        return str(value)


@dataclass(frozen=True, slots=True)
class Day:
    """A TOML date."""

    allowed: str = "a date such as 2027-01-31, without quotes"

    def read(self, value: Any, place: Place) -> datetime.date:
        """The date."""
        if isinstance(value, datetime.datetime) or not isinstance(value, datetime.date):
            raise Wrong
        return value


@dataclass(frozen=True, slots=True)
class Setting:
    """The value of an environment variable or a tag: a string, or a whole number written as one."""

    allowed: str = "a string or a whole number"

    def read(self, value: Any, place: Place) -> str:
        """The value as a string."""
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise Wrong
        return str(value)


def read_value(kind: Kind, value: Any, place: Place) -> Any:
    """The parsed value, or None after the problem was reported at `place`."""
    try:
        return kind.read(value, place)
    except Wrong as wrong:
        words = kind.words if isinstance(kind, Choice) and isinstance(value, str) else ()
        close = difflib.get_close_matches(value, words, 1) if words else []
        place.problem(value, str(wrong) or kind.allowed, close[0] if close else None)
        return None


def _parsed(parse: Callable[[str], float], value: Any) -> float:
    """`parse(value)` with everything it refuses turned into Wrong."""
    if not isinstance(value, str):
        raise Wrong
    try:
        return parse(value)
    except ValueError:
        raise Wrong from None
