"""The planted leaks leak, at the line that is said, and the innocents do not."""

from __future__ import annotations

import ast
import asyncio
import tempfile
from pathlib import Path

import pytest

from soak.demo import innocents, leaks


@pytest.fixture(autouse=True)
def let_go() -> object:
    """Let go of everything that a test leaked in this process."""
    yield
    leaks._never.set()
    for process in leaks._helpers:
        process.wait()
    for closable in (*leaks._ledgers, *leaks._reporters, *leaks._buffers):
        closable.close()
    held = (leaks._receipts, leaks._ledgers, leaks._reporters, leaks._waiting, leaks._buffers, leaks._helpers)
    for container in (*held, leaks._quotes, leaks._watchers):
        container.clear()


@pytest.mark.parametrize("name", leaks.LEAKS)
def test_the_marked_line_stands_in_the_function_that_leaks(name: str) -> None:
    """truth() names a line inside the function that does it, and that line is code."""
    planted = leaks.truth(name)
    tree = ast.parse(Path(planted.file).read_text())
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    body = functions[planted.function]
    assert any(statement.lineno == planted.line for statement in body.body)


@pytest.mark.parametrize("name", [name for name in leaks.LEAKS if name != "tmp_file"])
def test_every_leak_keeps_one_more_thing_with_each_order(name: str) -> None:
    """Three orders leave three things behind."""

    async def three_orders() -> int:
        for order in range(3):
            leaks.LEAKS[name](order, 1024)
        await asyncio.sleep(0)
        held: int = leaks.held()[name]
        return held

    assert asyncio.run(three_orders()) == 3


def test_a_spooled_label_stays_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The leak of temporary files leaves one for each call."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    leaks.spool(1, 1024)
    leaks.spool(2, 1024)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_leaked_receipt_has_the_size_that_was_asked_for() -> None:
    """16 KB an order is what the rates of the demo are computed from."""
    leaks.remember(1, 16 * 1024)
    assert 16 * 1024 <= len(leaks._receipts[0]) < 17 * 1024


def test_innocents_stop_growing() -> None:
    """After a thousand orders the cache, the tables and the buffer are at their bounds."""
    for order in range(1000):
        innocents.page(order)
        innocents.table(order)
        assert innocents.record(order) < 25
    assert (len(innocents._pages), len(innocents._tables)) == (128, 32)
