"""A table of soak.toml is a frozen dataclass whose fields say kind, default and meaning of each key.

The dataclass is at once the schema (for the reader and for the reference document) and what the rest
of soak works with, so that neither can go out of step with the other.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass
from typing import Any

from soak.config.kinds import Kind, Wrong, read_value
from soak.config.place import Place


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a table: its name in the file, its attribute, its kind, default and meaning."""

    name: str
    attribute: str
    kind: Kind
    doc: str
    required: bool
    default: Any
    default_text: str | None


def key(
    kind: Kind,
    doc: str,
    *,
    default: Any = None,
    required: bool = False,
    name: str | None = None,
    default_text: str | None = None,
) -> Any:
    """A dataclass field that is a key of soak.toml; `default_text` says a default that is computed."""
    metadata = {"kind": kind, "doc": doc, "required": required, "name": name, "default_text": default_text}
    if isinstance(default, (dict, list)):
        return dataclasses.field(default_factory=type(default), metadata=metadata)
    if not isinstance(default, (str, int, float, bool, tuple, type(None))):
        return dataclasses.field(default_factory=lambda: default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def keys_of(cls: type) -> Iterator[Key]:
    """The keys of a table, in the order in which they are declared."""
    for item in dataclasses.fields(cls):
        facts = item.metadata
        if "kind" in facts:
            default = item.default_factory() if item.default_factory is not MISSING else item.default
            name = facts["name"] or item.name
            yield Key(name, item.name, facts["kind"], facts["doc"], facts["required"], default, facts["default_text"])


@dataclass(frozen=True, slots=True)
class Section:
    """The kind of a value that is a table of its own: read into the dataclass `cls`."""

    cls: type

    @property
    def allowed(self) -> str:
        """The keys of the table."""
        return "a table with the keys " + ", ".join(item.name for item in keys_of(self.cls))

    def read(self, value: Any, place: Place) -> Any:
        """An instance of `cls`; every key that cannot be read is reported and left at its default."""
        if not isinstance(value, dict):
            raise Wrong
        keys = {item.name: item for item in keys_of(self.cls)}
        found: dict[str, Any] = {}
        for name, raw in value.items():
            item = keys.get(name)
            if item is None:
                place.unknown_key(name, keys)
            elif (read := read_value(item.kind, raw, place.key(name))) is not None:
                found[item.attribute] = read
        for item in keys.values():
            if item.required and item.name not in value:
                place.missing(item.name, item.kind.allowed)
        return self.cls(**found)


def to_json(value: Any) -> Any:
    """The value of a field, or a whole table, in types that JSON has; infinite numbers become null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: to_json(getattr(value, item.name)) for item in dataclasses.fields(value) if item.repr}
    if isinstance(value, Mapping):
        return {str(name): to_json(item) for name, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_json(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, (str, int, bool, type(None))) else str(value)
