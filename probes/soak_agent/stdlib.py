"""Modules of the standard library as they are on disk, whatever the target put in front of them or patched.

Only C modules are asked for here: they import nothing else. A public name that the target has not imported itself does
not stay in `sys.modules`.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

_loaded: dict[str, ModuleType] = {}


def _places() -> list[str]:
    library = os.path.dirname(os.__file__)
    extensions = [path for path in sys.path if path.endswith("lib-dynload")]
    return [*extensions, os.path.join(library, "lib-dynload"), library]


def load(name: str) -> ModuleType:
    """The C module `name`; ImportError when this Python has none."""
    module = _loaded.get(name)
    if module is None:
        module = _loaded[name] = _load(name)
    return module


def _load(name: str) -> ModuleType:
    present = sys.modules.get(name)
    if name in sys.builtin_module_names:
        module = present or __import__(name)
        if present is None and not name.startswith("_"):
            sys.modules.pop(name, None)
        return module
    if present is not None and _is_ours(present):
        return present
    finder = sys.modules["_frozen_importlib_external"].PathFinder
    spec = finder.find_spec(name, _places())
    if spec is None or spec.loader is None:
        raise ImportError(name=name)
    module = sys.modules["_frozen_importlib"].module_from_spec(spec)
    spec.loader.exec_module(module)
    if name.startswith("_") and present is None:
        sys.modules[name] = module  # single-phase modules must not be made twice
    return module  # type: ignore[no-any-return]  # ModuleType, from a module without types


def _is_ours(module: ModuleType) -> bool:
    origin = getattr(getattr(module, "__spec__", None), "origin", None) or ""
    return any(origin.startswith(place + os.sep) for place in _places())


def original(module: str, name: str) -> object:
    """The unpatched attribute: gevent keeps what it replaced."""
    monkey = sys.modules.get("gevent.monkey")
    saved = getattr(monkey, "saved", None) or {}
    kept = saved.get(module, {}).get(name)
    return kept if kept is not None else getattr(load(module), name)
