"""The guest imports nothing but the standard library, little of that, and leaves no trace at the first line."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import soak_agent

from .conftest import Guest

FILES = sorted(Path(soak_agent.__file__).parent.rglob("*.py"))
NEVER = {"logging", "dataclasses", "json", "re", "threading", "socket", "tracemalloc", "ctypes", "struct", "asyncio"}
FIRST_LINE = """
import sys
public = sorted(name for name in sys.modules if not name.startswith("_"))
path = list(sys.path)
cached = sorted(sys.path_importer_cache)
import json
print(json.dumps([path, public, cached]), flush=True)
sys.stdin.readline()
"""


def imports(path: Path) -> set[str]:
    """Names imported when the file runs, at any depth, without those only a type checker reads."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text()))
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_guest_imports_only_what_every_interpreter_has_loaded_already(path: Path) -> None:
    """Nothing outside the standard library, and of it nothing that a target could shadow with a file of its own."""
    names = imports(path) - {"__future__", "sitecustomize"}
    assert names <= set(sys.stdlib_module_names)
    assert not names & (NEVER | {"typing"})
    assert names <= {"os", "sys", "builtins", "_signal"}


def test_at_the_first_line_everything_is_as_without_soak(launch: Callable[..., Guest], python: str) -> None:
    """sys.path, public names in sys.modules and cached path entries are equal with and without the agent."""
    without = json.loads(launch(FIRST_LINE, python=python, agent=False, env={"PYTHONPATH": "/usr"}).line())
    guest = launch(FIRST_LINE, python=python, env={"PYTHONPATH": "/usr"}, heap="auto")
    assert json.loads(guest.line()) == without
    assert guest.client.connect(guest.pid) is not None
    assert guest.errors() == ""


def test_reading_imports_nothing_public_either(launch: Callable[..., Guest], python: str) -> None:
    """A reading of everything leaves the public names of sys.modules as the target made them."""
    source = """
    import sys
    public = {name for name in sys.modules if not name.startswith("_")}
    print("ready", flush=True)
    sys.stdin.readline()
    print(sorted({name for name in sys.modules if not name.startswith("_")} - public), flush=True)
    sys.stdin.readline()
    """
    guest = launch(source, python=python, heap="tracemalloc")
    assert guest.line() == "ready"
    guest.read()
    assert guest.go() == "[]"
