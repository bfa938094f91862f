"""Where in a configuration a value stands, and the problems found there."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from soak.errors import Problem

SECRET_NAME = re.compile(r"(?i)token|key|passw|secret|credential|authorization|cookie")
_USER_INFO = re.compile(r"(?<=://)[^/@\s]+(?=@)")
_PRIVATE_PART = re.compile(r"(^|\.)(command|version_command|env|headers|data|json)\b")
_SHOWN_LENGTH = 80


class FromEnvironment(str):
    """A string with `${NAME}` filled in; `written` is how it stands in the file, and all that is ever shown."""

    __slots__ = ("written",)
    written: str

    def __new__(cls, value: str, written: str) -> FromEnvironment:
        """The value, remembering its spelling in the file."""
        made = super().__new__(cls, value)
        made.written = written
        return made


@dataclass(frozen=True, slots=True)
class Place:
    """A key path in one file, and the list that problems go to."""

    file: str
    path: str
    problems: list[Problem]
    known: tuple[str, ...] = ()  # every key path there is, for "did you mean"

    def key(self, name: str) -> Place:
        """The place of a key of this table."""
        return self._child(f"{self.path}.{name}" if self.path else name)

    def index(self, number: int) -> Place:
        """The place of an item of this list."""
        return self._child(f"{self.path}[{number}]")

    def problem(self, value: Any, allowed: str, nearest: str | None = None) -> None:
        """Report what was found here and what is allowed."""
        self.problems.append(Problem(self.file, self.path, shown(value, self.path), allowed, nearest))

    def say(self, found: str, allowed: str) -> None:
        """Report something about the whole table: `found` is a sentence of ours, not a value."""
        self.problems.append(Problem(self.file, self.path, found, allowed))

    def missing(self, name: str, allowed: str) -> None:
        """Report that a key which must be there is not."""
        self.problems.append(Problem(self.file, self.key(name).path, "nothing", allowed))

    def unknown_key(self, name: str, names: Iterable[str]) -> None:
        """Report a key that does not exist, with the nearest one that does, here or in another table."""
        names = sorted(names)
        close = difflib.get_close_matches(name, names, 1)
        nearest = close[0] if close else next((path for path in self.known if path.split(".")[-1] == name), None)
        listing = ", ".join(names)
        self.problems.append(Problem(self.file, self.key(name).path, "an unknown key", listing, nearest))

    def _child(self, path: str) -> Place:
        return Place(self.file, path, self.problems, self.known)


def shown(value: Any, path: str = "") -> str:
    """A value as a problem may print it: never a secret, never what an environment variable held."""
    if isinstance(value, FromEnvironment):
        return f'"{value.written}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a table"
    if SECRET_NAME.search(path.rpartition(".")[2]) or _PRIVATE_PART.search(path):
        what = "a string" if isinstance(value, str) else "a list" if isinstance(value, list) else "a value"
        return f"{what} (not shown)"
    if isinstance(value, list):
        return "[" + ", ".join(shown(item, path) for item in value[:4]) + (", …]" if len(value) > 4 else "]")
    text = f'"{_USER_INFO.sub("…", value)}"' if isinstance(value, str) else str(value)
    return text if len(text) <= _SHOWN_LENGTH else text[:_SHOWN_LENGTH] + "…"
