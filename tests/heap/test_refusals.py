"""Where the sampler cannot be sure of what it would read it refuses, with a reason, and the guest runs on."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from soak_heap import sampler as sampler_module

from .conftest import Guest


def test_wrong_layouts_missing_libraries_and_subinterpreters_are_refused(guest: Guest, python: str) -> None:
    """Each with its reason; the self-test meets every other version's offsets without reading what is not there."""
    found = guest("refusals.py", python=python)
    assert "not built" in found.pop("no library")
    assert "invalid ELF" in found.pop("not a library")
    assert found.pop("its own layout again") == "fine"
    assert found.pop("a subinterpreter") == found.pop("start after a refusal") == "the process has subinterpreters"
    assert found.pop("foreign") + found.pop("caller") > 1_300_000  # 1.5 MB kept by the other interpreter, and itself
    layouts = {name: why for name, why in found.items() if name.startswith("the layout of")}
    assert len(layouts) == 7
    assert all(layouts.values()), layouts
    assert "not known" in layouts["the layout of 3.15"]


@pytest.mark.parametrize(
    ("interpreter", "reason"),
    [
        ({"implementation": SimpleNamespace(name="pypy")}, "only CPython"),
        ({"platform": "darwin"}, "only 64-bit Linux"),
        ({"maxsize": 2**31 - 1}, "only 64-bit Linux"),
        ({"abiflags": "t"}, "free-threaded"),
        ({"abiflags": "d"}, "debug builds"),
    ],
)
def test_other_interpreters_are_refused_by_name(
    interpreter: dict[str, object], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is loaded; `start` raises the same reason."""
    for name, value in interpreter.items():
        monkeypatch.setattr(sys, name, value)
    sampler = sampler_module.HeapSampler()
    able, why = sampler.available()
    assert not able
    assert reason in why
    with pytest.raises(RuntimeError, match=reason):
        sampler.start()
