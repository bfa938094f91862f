"""The kinds of value that hold others: lists, tables whose keys the user chooses, anything that JSON can say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from soak.config.kinds import Kind, Wrong, read_value
from soak.config.place import Place


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list, each item of one kind."""

    item: Kind
    what: str
    least: int = 1
    one: bool = False  # a single item may stand for a list of one

    @property
    def allowed(self) -> str:
        """What the items are."""
        return self.what

    def read(self, value: Any, place: Place) -> tuple[Any, ...]:
        """The items that could be read; the others are reported at their index."""
        items = [value] if self.one and not isinstance(value, list) else value
        if not isinstance(items, list) or len(items) < self.least:
            raise Wrong
        found = [read_value(self.item, item, place.index(number)) for number, item in enumerate(items)]
        return tuple(item for item in found if item is not None)


@dataclass(frozen=True, slots=True)
class TableOf:
    """A table whose keys the user chooses (or `names`), each value of one kind."""

    item: Kind
    what: str
    names: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        """What the table holds."""
        return self.what

    def read(self, value: Any, place: Place) -> dict[str, Any]:
        """The entries that could be read; the others are reported at their key."""
        if not isinstance(value, dict):
            raise Wrong
        found: dict[str, Any] = {}
        for name, item in value.items():
            if self.names and name not in self.names:
                place.unknown_key(name, self.names)
            elif (read := read_value(self.item, item, place.key(name))) is not None:
                found[name] = read
        return found


@dataclass(frozen=True, slots=True)
class Json:
    """Anything that JSON can say."""

    allowed: str = "a table, list, string, number or boolean"

    def read(self, value: Any, place: Place) -> Any:
        """The value with plain types."""
        if isinstance(value, Mapping):
            return {str(name): self.read(item, place.key(str(name))) for name, item in value.items()}
        if isinstance(value, list):
            return [self.read(item, place.index(number)) for number, item in enumerate(value)]
        if isinstance(value, (bool, int, float)):
            return value
        if isinstance(value, str):
            return str(value)
        raise Wrong
