"""The interpreter's own private registries of threads and tasks, made to tell what enters them.

No public attribute changes: where there is no event to listen to, an object that only the standard library uses is
given a class of the same name that calls `note` as well. Each function returns what puts it back.
"""

from __future__ import annotations

import sys

from .stdlib import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Note = Callable[[Any], None]

TOOLS = (4, 3)  # numbers of sys.monitoring that no kind of tool is meant to have


def _nothing() -> None:
    """Nothing was changed."""


def watch_threads(threading: Any, note: Note) -> Callable[[], None]:
    """Call `note` with each thread that is being started; from 3.12 on an audit event tells."""
    if sys.version_info >= (3, 12):
        return _nothing
    limbo = threading._limbo

    class Limbo(dict):  # type: ignore[type-arg]  # looks like the dict it stands for
        def __setitem__(self, key: Any, value: Any) -> None:
            dict.__setitem__(self, key, value)
            note(value)

    threading._limbo = Limbo(limbo)
    return lambda: setattr(threading, "_limbo", limbo)


def watch_tasks(tasks: Any, armed: set[str], note: Note) -> Callable[[], None]:
    """Call `note` with each asyncio task that is made to run a coroutine whose name is in `armed`."""
    return _monitor(tasks, armed, note) if sys.version_info >= (3, 14) else _subclass(tasks, armed, note)


def _subclass(tasks: Any, armed: set[str], note: Note) -> Callable[[], None]:
    """The weak set that every task enters notes what enters it; its own two lines are repeated to save a call."""
    weak: Any = getattr(tasks, "_scheduled_tasks", None)
    weak = getattr(tasks, "_all_tasks", None) if weak is None else weak
    plain = type(weak)
    if plain.__name__ != "WeakSet":
        return _nothing

    ref = load("_weakref").ref

    def add(self: Any, item: Any) -> None:
        if self._pending_removals:
            self._commit_removals()
        self.data.add(ref(item, self._remove))
        try:
            if item.get_coro().__qualname__ in armed:
                note(item)
        except Exception:  # a task class of the target's own, without a coroutine
            pass

    weak.__class__ = type("WeakSet", (plain,), {"add": add})
    return lambda: setattr(weak, "__class__", plain)


def _monitor(tasks: Any, armed: set[str], note: Note) -> Callable[[], None]:
    """From 3.14 on tasks are in a list in C: the functions that make them are watched as they return."""
    watch: Any = vars(sys)["monitoring"]
    groups = sys.modules.get("asyncio.taskgroups")
    tool = next((number for number in TOOLS if watch.get_tool(number) is None), None)
    if tool is None:
        return _nothing
    loop = sys.modules["asyncio.base_events"].BaseEventLoop
    makers = [loop.create_task, tasks.create_task, *([groups.TaskGroup.create_task] if groups else [])]

    def returned(code: Any, offset: int, made: Any) -> None:
        try:
            if made.get_coro().__qualname__ in armed:
                note(made)
        except Exception:  # no task, or one of the target's own class
            pass

    watch.use_tool_id(tool, "soak")
    watch.register_callback(tool, watch.events.PY_RETURN, returned)
    for maker in makers:
        watch.set_local_events(tool, maker.__code__, watch.events.PY_RETURN)
    return lambda: watch.free_tool_id(tool)
