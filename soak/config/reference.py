"""The reference of soak.toml as Markdown, from the tables themselves: `python -m soak.config.reference`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from soak.config.limits import Growth, Peak
from soak.config.read import LISTS, TABLES
from soak.config.table import Key, Section, keys_of
from soak.config.units import format_duration, format_size

_INTRODUCTION = """\
# Reference: soak.toml

Generated from the code by `python -m soak.config.reference`; a test keeps it current. Unknown keys and wrong values are
refused with file, key path, what was found, what is allowed and the nearest known key: all problems at once, exit 2.

Sizes are binary, as in systemd: 1 KB = 1,024 bytes, 1 MB = 1,048,576 bytes; KiB and MiB mean the same. Durations:
`250ms`, `0.5s`, `90s`, `5m`, `1h30m`, `2d`. `${NAME}` in any string is filled in from the environment, and `$${NAME}`
is `${NAME}` itself; what comes from a variable named like a secret (token, key, password, …) is never stored or
printed.

Defaults scale with the cycle. An explicit value that does not fit the cycle is an error. Keys marked *not yet* are
known and refused when they are written, never ignored.
"""
_ORDER = ("target", "agent", "sample", "load", "scenario", "check", "fault", "probe", "limits", "accept")


def render() -> str:
    """The whole document."""
    tables = {**TABLES, **LISTS}
    names = [*_ORDER, *(name for name in tables if name not in _ORDER)]
    return "\n".join([_INTRODUCTION, *(_table(name, tables[name]) for name in names)])


def _table(name: str, cls: type) -> str:
    title = f"## [[{name}]]" if name in LISTS else f"## [{name}]"
    lines = [title, "", (cls.__doc__ or "").strip(), ""]
    lines += ["| key | allowed | default | meaning |", "|---|---|---|---|", *_rows(name, cls), ""]
    return "\n".join(lines)


def _rows(path: str, cls: type) -> Iterator[str]:
    for item in keys_of(cls):
        if isinstance(item.kind, Section):
            yield from (
                row.replace("| `", f"| `{item.name}.", 1) for row in _rows(f"{path}.{item.name}", item.kind.cls)
            )
            continue
        cells = (f"`{item.name}`", item.kind.allowed, default_of(item), item.doc)
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def default_of(item: Key) -> str:
    """The default as it would be written, or what is said of one that is computed."""
    if item.required:
        return "required"
    if item.default_text is not None:
        return item.default_text
    value = item.default
    if value in (None, (), {}):
        return "none"
    if isinstance(value, Peak):
        return f'"{"+" if value.relative else ""}{format_size(value.value)}"'
    if isinstance(value, Growth):
        return f'"{value.value:g}/{value.per}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(f'"{part}"' if isinstance(part, str) else str(part) for part in value) + "]"
    if isinstance(value, str):
        return f'"{value}"'
    duration = "duration" in item.kind.allowed
    return f'"{format_duration(value)}"' if duration else f"{value:g}"


if __name__ == "__main__":
    sys.stdout.write(render())
