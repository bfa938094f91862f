"""Asyncio tasks as they are: which are alive, what they run and where they wait."""

from __future__ import annotations

import sys

from .stdlib import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .stretches import Stretches

AWAITS = 64  # coroutines deep, at most


def living_tasks(stretches: Stretches) -> list[Any]:
    """Unfinished asyncio tasks of all loops and threads; looking for the loops is one of the `stretches`."""
    tasks = sys.modules.get("asyncio.tasks")
    if tasks is None:
        return []
    weak = getattr(tasks, "_scheduled_tasks", None)
    weak = getattr(tasks, "_all_tasks", None) if weak is None else weak
    found = [reference() for reference in list(getattr(weak, "data", ()))]
    found.extend(list(getattr(tasks, "_eager_tasks", ())))
    if sys.version_info >= (3, 14):
        for loop in _loops(stretches):
            found.extend(load("_asyncio").all_tasks(loop))
    unique = {id(task): task for task in found if task is not None}
    return [task for task in unique.values() if not task.done()]


def _loops(stretches: Stretches) -> list[Any]:
    """Every event loop there is, by looking through all objects: no registry knows them."""
    base = getattr(sys.modules.get("asyncio.events"), "AbstractEventLoop", None)
    mro = type.__dict__["__mro__"].__get__
    compress = load("itertools").compress
    kinds: dict[type, bool] = {}
    found: list[Any] = []

    def look(piece: list[Any]) -> None:
        kinds.update((kind, base in mro(kind)) for kind in set(map(type, piece)).difference(kinds))
        found.extend(compress(piece, map(kinds.__getitem__, map(type, piece))))

    stretches.slices("loops", stretches.run("objects", load("gc").get_objects), look)
    return found


def code_of(coroutine: Any) -> tuple[str, int, str] | None:
    """Where the outermost coroutine of a task is defined: (file, line, function)."""
    for name in ("cr_code", "gi_code", "ag_code"):
        code = getattr(coroutine, name, None)
        if code is not None:
            return code.co_filename, code.co_firstlineno, code.co_name
    return None


def waiting_at(coroutine: Any) -> str:
    """Where the innermost coroutine of a task is suspended."""
    for _ in range(AWAITS):
        inner = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
        if inner is None or not (hasattr(inner, "cr_frame") or hasattr(inner, "gi_frame")):
            break
        coroutine = inner
    frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
    return "" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}"
