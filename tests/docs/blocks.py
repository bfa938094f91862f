"""Finds the fenced blocks of the documents.

A block that begins with ```` ```sh run ```` is executed by `test_commands.py`; what it cannot do, such as a setup from
nothing, begins with ```` ```sh ran-by=FILE ```` and is executed by that test. There is no other block of commands.
```` ```toml ```` must be a configuration, or a part of one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.M | re.S)


@dataclass(frozen=True, slots=True)
class Block:
    """The words after the fence, the text, and where it stands."""

    path: Path
    line: int
    info: tuple[str, ...]
    text: str

    @property
    def place(self) -> str:
        """file:line for messages."""
        return f"{self.path.relative_to(ROOT)}:{self.line}"


def documents() -> list[Path]:
    """README.md, docs/ without the decision records, and the READMEs of the examples."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "examples").rglob("README.md"))]


def blocks(path: Path, language: str) -> Iterator[Block]:
    """The blocks of one document in one language."""
    text = path.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        info = tuple(found[1].split())
        if info and info[0] == language:
            yield Block(path, text.count("\n", 0, found.start()) + 1, info, found[2])


def runnable(path: Path) -> list[Block]:
    """The blocks of one document that are executed, in order."""
    return [block for block in blocks(path, "sh") if "run" in block.info[1:]]
