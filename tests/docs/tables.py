"""Reads the tables of the references, as somebody who looks a word up does."""

from __future__ import annotations

import re

from tests.docs.blocks import ROOT

Row = dict[str, str]


def table(document: str, heading: str | None = None) -> list[Row]:
    """The rows of the first table below a heading (None: of the document), by the words of its head; without ticks."""
    text = (ROOT / document).read_text(encoding="utf-8")
    if heading is not None:
        assert f"\n{heading}\n" in text, f"{document} has no heading {heading}"
        text = re.split(r"\n## ", text.partition(f"\n{heading}\n")[2])[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    found = [[cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [dict(zip(found[0], row, strict=True)) for row in found[2:]]


def column(document: str, heading: str | None, name: str) -> list[str]:
    """One column of it."""
    return [row[name] for row in table(document, heading)]
