"""Building the library: with a compiler, without one, and through the wheel's build hook."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from soak_heap.build import LIBRARY, PRELOAD, SOURCE, compile_library

ROOT = Path(__file__).resolve().parents[2]

pytest.importorskip("hatchling", reason="the build backend is not installed beside the tests")


@pytest.fixture
def hook() -> ModuleType:
    """hatch_build.py, loaded as hatchling loads it."""
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the source, so that no library of this checkout is touched."""
    folder = tmp_path / "probes" / "soak_heap"
    folder.mkdir(parents=True)
    for source in [*SOURCE.parent.glob("*.[ch]"), SOURCE.parent / "build.py"]:
        shutil.copy(source, folder)
    load = tmp_path / "soak" / "load"
    load.mkdir(parents=True)
    for source in (ROOT / "soak" / "load").glob("*.[ch]"):
        shutil.copy(source, load)
    return tmp_path


def build(hook: ModuleType, root: Path, target: str = "wheel") -> tuple[dict[str, Any], list[str]]:
    """Run the hook as hatchling does; the build data and the warnings."""
    said: list[str] = []
    data: dict[str, Any] = {"artifacts": [], "pure_python": True}
    app = SimpleNamespace(display_warning=said.append)
    made = hook.HeapSamplerBuild(str(root), {}, None, None, str(root), target, app)
    made.initialize("standard", data)
    return data, said


def test_a_wheel_gets_the_libraries_and_a_tag_for_every_python(library: Path, hook: ModuleType, tree: Path) -> None:
    """They serve all versions, so the tag names the platform only."""
    data, said = build(hook, tree)
    for name in (LIBRARY.name, PRELOAD.name):
        assert (tree / "probes" / "soak_heap" / name).stat().st_size > 10_000
    assert (tree / "soak/load/_compiled.so").stat().st_size > 10_000
    names = [f"/probes/soak_heap/{name}" for name in (LIBRARY.name, PRELOAD.name)]
    assert data["artifacts"] == [*names, "/soak/load/_compiled.so"]
    assert data["tag"].startswith("py3-none-linux_")
    assert not said


def test_without_a_compiler_the_install_works_and_says_so(
    hook: ModuleType, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pure wheel and a warning for each part; a release build may ask for an error instead."""
    monkeypatch.setenv("CC", "/nonexistent/cc")
    data, said = build(hook, tree)
    assert data == {"artifacts": [], "pure_python": True}
    assert len(said) == 2
    assert all("no C compiler" in one for one in said)
    monkeypatch.setenv("SOAK_HEAP_BUILD", "1")
    with pytest.raises(RuntimeError, match="no C compiler"):
        build(hook, tree)


def test_source_archives_and_opted_out_builds_compile_nothing(
    hook: ModuleType, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SOAK_HEAP_BUILD=0, and the sdist, which carries the source."""
    assert build(hook, tree, "sdist")[0]["artifacts"] == []
    monkeypatch.setenv("SOAK_HEAP_BUILD", "0")
    assert build(hook, tree)[0]["artifacts"] == []


def test_only_the_library_for_preloading_has_a_malloc(library: Path) -> None:
    """A debugger that wants memory calls the first malloc it finds in the process: it must be the one in use."""
    for name, has_malloc in ((LIBRARY.name, False), (PRELOAD.name, True)):
        command = ["nm", "-D", "--defined-only", library.with_name(name)]
        symbols = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert (" T malloc\n" in symbols) is has_malloc
        assert " T soak_heap_start\n" in symbols


def test_a_compiler_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the compiler said reaches whoever builds; nothing half-made is left."""
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\necho 'it does not like the weather' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CC", str(broken))
    assert "the weather" in compile_library(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["cc"]
