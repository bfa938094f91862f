"""What functions that run, or wait, hold in their variables: a loop that never ends can keep what grows.

The collector lists a coroutine or generator with all that it holds, but no function that is running: those are looked
up here, thread by thread. Nothing may stay behind in the target. Before 3.13 `f_locals` is a copy that stays in the
frame and keeps everything in it alive, so 3.9 and 3.10 are asked what the collector would ask, which gives no names,
and 3.11 and 3.12, whose frames answer nothing, are left alone.
"""

from __future__ import annotations

import sys

from .stdlib import load, original

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType
    from typing import Any

    from .stretches import Stretches

OPTIMIZED = 1  # of a code object: its variables are its own; those of a module belong to the module
THREADS = 32  # looked at in one go
DEEPEST = 100  # frames of a thread
MOST = 20_000  # variables in all


def _generator() -> Iterator[None]:
    yield


async def _coroutine() -> None:
    """Never run."""


async def _async_generator() -> Any:
    yield


def _kind(made: Any) -> type:
    kind = type(made)
    getattr(made, "close", int)()
    return kind


# What waits, and what the names of its frame and its code begin with.
WAITING = {_kind(_generator()): "gi", _kind(_coroutine()): "cr", type(_async_generator()): "ag"}
FRAME = type(sys._getframe())
_NAMED = sys.version_info >= (3, 13)
_ASKED = sys.version_info < (3, 11)


class Running:
    """Which variable of which thread's functions an object was, when it was last looked."""

    def __init__(self, stretches: Stretches) -> None:
        self._referents = load("gc").get_referents
        self._places: dict[int, tuple[int, int]] = {}  # of an object: thread, frame counted from the innermost
        self._own = original("_thread", "get_ident")()
        if _NAMED or _ASKED:
            threads = list(self._frames())
            for first in range(0, len(threads), THREADS):
                stretches.run("holders", self._note, threads[first : first + THREADS])
                stretches.breathe()

    def holding(self, item: Any) -> list[FrameType]:
        """The frame that has `item` in a variable, if it still has."""
        thread, position = self._places.get(id(item), (0, 0))
        frame = self._frames().get(thread)
        while frame is not None and position:
            frame, position = frame.f_back, position - 1
        return [frame] if frame is not None and any(value is item for _, value in self._variables(frame)) else []

    def _frames(self) -> dict[int, FrameType]:
        """The innermost frame of each other thread; our own in a variable of ours would keep our whole stack alive."""
        frames = sys._current_frames()
        frames.pop(self._own, None)
        return frames

    def _note(self, threads: list[int]) -> None:
        frames = self._frames()
        for thread in threads:
            frame, position = frames.get(thread), 0
            while frame is not None and position < DEEPEST and len(self._places) < MOST:
                for _, value in self._variables(frame):
                    self._places.setdefault(id(value), (thread, position))
                frame, position = frame.f_back, position + 1

    def _variables(self, frame: FrameType) -> list[tuple[str, Any]]:
        if not frame.f_code.co_flags & OPTIMIZED:
            return []
        if _NAMED:
            return list(frame.f_locals.items())
        if not _ASKED:
            return []
        around = (frame.f_globals, frame.f_builtins, frame.f_code)
        told = [value for value in self._referents(frame) if not any(value is one for one in around)]
        return [("", value) for value in told if type(value) is not FRAME]


def frame_of(item: Any) -> FrameType | None:
    """The frame of what runs or waits."""
    if type(item) is FRAME:
        return item
    prefix = WAITING.get(type(item))
    return getattr(item, prefix + "_frame") if prefix else None


def name_in(item: Any, value: Any) -> str:
    """The variable of what runs or waits that is `value`; empty where that cannot be told without a trace."""
    frame = frame_of(item)
    if frame is None or not _NAMED or not frame.f_code.co_flags & OPTIMIZED:
        return ""
    return next((name for name, one in frame.f_locals.items() if one is value), "")
