"""Modules of the standard library as they are on disk, whatever the target put in front of them or patched.

A public name that the target has not imported itself does not appear in `sys.modules`: a target may have a `struct.py`
of its own, and must find `sys.modules` as without us. `load` gives a module; `private` runs a Python file whose imports
go the same way.
"""

from __future__ import annotations

import builtins
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

_loaded: dict[str, Any] = {}
_absent: set[str] = set()  # modules that private files import and never use


def _places() -> list[str]:
    library = os.path.dirname(os.__file__)
    extensions = [path for path in sys.path if path.endswith("lib-dynload")]
    return [*extensions, os.path.join(library, "lib-dynload"), library]


def load(name: str) -> Any:
    """The module `name` of the standard library; ImportError when this Python has none."""
    module = _loaded.get(name)
    if module is None:
        module = _loaded[name] = _find(name)
    return module


def _find(name: str) -> Any:
    if name == "typing" or name in _absent:
        return _Nothing()
    present = sys.modules.get(name)
    if present is not None and _is_standard(name, present):
        return present
    if name in sys.builtin_module_names:
        module = __import__(name)
        if not name.startswith("_"):
            sys.modules.pop(name, None)
        return module
    parent, _, _ = name.rpartition(".")
    places = list(load(parent).__path__) if parent else _places()
    spec = sys.modules["_frozen_importlib_external"].PathFinder.find_spec(name, places)
    if spec is None or spec.loader is None:
        raise ImportError(name, name=name)
    module = _run(name, spec)
    if name.startswith("_") and not parent and hasattr(spec.loader, "create_module") and spec.origin.endswith(".so"):
        sys.modules[name] = module  # C modules of the old kind must not be made twice
    if parent:
        setattr(load(parent), name.rpartition(".")[2], module)
    return module


def _run(name: str, spec: Any) -> Any:
    module = sys.modules["_frozen_importlib"].module_from_spec(spec)
    if not (spec.origin or "").endswith(".so"):
        module.__builtins__ = {**vars(builtins), "__import__": _import}
    _loaded[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del _loaded[name]
        raise
    return module


def _is_standard(name: str, module: Any) -> bool:
    origin = getattr(getattr(module, "__spec__", None), "origin", None)
    if name in sys.builtin_module_names or origin in ("built-in", "frozen"):
        return True
    return any(str(origin).startswith(place + os.sep) for place in _places())


def _import(
    name: str, globals: Any = None, locals: Any = None, fromlist: Sequence[str] | None = (), level: int = 0
) -> Any:
    """What `import` means inside a private module."""
    if type(fromlist) is list and not fromlist and not level:  # the interpreter itself asks, and looks in sys.modules
        return builtins.__import__(name)
    if level:
        package = (globals or {})["__package__"].rsplit(".", level - 1)[0]
        name = f"{package}.{name}" if name else package
    module = load(name)
    if not fromlist:
        return load(name.partition(".")[0])
    for item in fromlist:
        if item != "*" and not hasattr(module, item) and hasattr(module, "__path__"):
            load(f"{name}.{item}")
    return module


class _Nothing:
    """Stands for `typing`, which only annotations ask for, and for what is imported in vain: all in it is this."""

    def __getattr__(self, name: str) -> _Nothing:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __getitem__(self, item: object) -> _Nothing:
        return self

    def __call__(self, *args: object, **more: object) -> _Nothing:
        return self


def private(name: str, path: str, unused: frozenset[str] = frozenset()) -> Any:
    """The Python file at `path` as a module called `name`; OSError when there is none, or what it raises.

    Of `unused` it may import whatever it likes: nothing is loaded for it.
    """
    module = sys.modules.get(name)
    if module is None:
        _absent.update(unused)
        spec = sys.modules["_frozen_importlib_external"].spec_from_file_location(name, path)
        sys.modules[name] = module = _run(name, spec)
    return module


def original(module: str, name: str) -> Any:
    """The unpatched attribute: gevent keeps what it replaced."""
    monkey = sys.modules.get("gevent.monkey")
    saved = getattr(monkey, "saved", None) or {}
    kept = saved.get(module, {}).get(name)
    return kept if kept is not None else getattr(load(module), name)


def read_file(path: str) -> bytes:
    """The whole file, whatever the target made of `open`. Raises OSError."""
    with load("_io").open(path, "rb") as file:
        content: bytes = file.read()
        return content


def current_frames() -> dict[int, Any]:
    """The innermost frame of each thread; none where there are other interpreters.

    From 3.12 on those have GILs of their own: to ask for the frames of their threads while they run ends the process.
    """
    if sys.version_info >= (3, 12):
        try:
            interpreters = load("_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters")
        except ImportError:
            interpreters = None
        if interpreters is not None and len(interpreters.list_all()) > 1:
            return {}
    return sys._current_frames()
