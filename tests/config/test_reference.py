"""The reference of soak.toml says what the reader does."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from soak.config import load_config
from soak.config.read import KNOWN_KEYS, LISTS, TABLES
from soak.config.reference import default_of, render
from soak.config.table import Section, keys_of

DOCUMENT = Path(__file__).parents[2] / "docs/reference-configuration.md"


def test_the_document_is_current() -> None:
    """docs/reference-configuration.md is what the code generates; mend: python -m soak.config.reference."""
    assert DOCUMENT.read_text(encoding="utf-8") == render()


def test_every_key_appears_and_nothing_else() -> None:
    """Each key of each table has its row; the number of rows is the number of keys."""
    rows = [line for line in render().splitlines() if line.startswith("| `")]
    nested = {"limits.cleanup": 1, "scenario.expect": 2}
    assert len(rows) == len(KNOWN_KEYS) + sum(nested.values()) - len(nested)
    for key in KNOWN_KEYS:
        if key not in nested:
            assert any(row.startswith(f"| `{key.partition('.')[2]}` |") for row in rows), key


@pytest.mark.parametrize(("table", "cls"), [*TABLES.items(), *LISTS.items()])
def test_defaults_can_be_written_as_they_stand(tmp_path: Path, table: str, cls: type) -> None:
    """What the reference calls a default is TOML, and writing it changes nothing for the reader."""
    for key in keys_of(cls):
        text = "none" if isinstance(key.kind, Section) else default_of(key)
        if key.required or key.default_text is not None or text == "none":
            continue
        assert tomllib.loads(f"key = {text}")
        if table in LISTS:
            continue
        head = '[target]\ncommand = ["x"]\nurl = "http://127.0.0.1:1"\n'
        body = f"{key.name} = {text}\n" if table == "target" else f"[{table}]\n{key.name} = {text}\n"
        (tmp_path / "soak.toml").write_text(head)
        plain = load_config(tmp_path / "soak.toml", environ={}).to_json()
        (tmp_path / "soak.toml").write_text(head + body)
        assert load_config(tmp_path / "soak.toml", environ={}).to_json() == plain, key.name
