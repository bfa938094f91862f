"""What soak.toml may say but soak cannot do yet: refused when it is written, never ignored.

This is the one place for it. Whoever builds the feature deletes its line and writes the reference anew:
`python -m soak.config.reference > docs/reference-configuration.md`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class NotYet:
    """A key path without list indices; `values`: only these values are refused, none means every value."""

    path: str
    reason: str
    values: tuple[Any, ...] = ()


NOT_YET: tuple[NotYet, ...] = (NotYet("agent.native", "only false", (True,)),)


def refusals(tree: Mapping[str, Any]) -> Iterator[tuple[str, Any, str]]:
    """(key path, value, reason) of everything in the file that is not built yet."""
    for entry in NOT_YET:
        table, _, name = entry.path.partition(".")
        for place, value in _occurrences(tree, table):
            if not name:
                yield place, value, entry.reason
            elif isinstance(value, Mapping) and name in value and _refused(value[name], entry.values):
                yield f"{place}.{name}", value[name], entry.reason


def _occurrences(tree: Mapping[str, Any], table: str) -> Iterator[tuple[str, Any]]:
    value = tree.get(table)
    if isinstance(value, list):
        yield from ((f"{table}[{number}]", item) for number, item in enumerate(value))
    elif value is not None:
        yield table, value


def _refused(value: Any, values: tuple[Any, ...]) -> bool:
    return not values or value in values
