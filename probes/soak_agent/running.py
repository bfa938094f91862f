"""What functions that run, or wait, hold in their variables: a loop that never ends can keep what grows.

The collector lists a coroutine or generator with all that it holds, but no function that is running: those are looked
up here, thread by thread. Nothing may stay behind in the target. Before 3.13 `f_locals` is a copy that stays in the
frame and keeps everything in it alive, so 3.9 and 3.10 are asked what the collector would ask, which gives no names,
and 3.11 and 3.12, whose frames answer nothing, are left alone.
"""

from __future__ import annotations

import sys

from .stdlib import current_frames, load, original

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType
    from typing import Any

    from .stretches import Stretches

OPTIMIZED = 1  # of a code object: its variables are its own; those of a module belong to the module
THREADS = 8  # looked at in one go
OUTER = 100  # frames of a thread, from the outermost: those stay, and own what they hand on
DEEPEST = 10_000  # frames of a thread: in a deeper one the outermost are not looked for
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
_VARARGS = 4 | 8  # CO_VARARGS, CO_VARKEYWORDS
_ASKED = sys.version_info < (3, 11)


class Running:
    """Which variable of which thread's functions an object was, when it was last looked."""

    def __init__(self, stretches: Stretches) -> None:
        self._referents = load("gc").get_referents
        self._places: dict[int, tuple[int, int]] = {}  # of an object: thread, frame counted from the outermost
        self._own = original("_thread", "get_ident")()
        if _NAMED or _ASKED:
            threads = list(reversed(self._frames()))  # the oldest first: a new one was mostly given what it has
            for first in range(0, len(threads), THREADS):
                stretches.run("holders", self._note, threads[first : first + THREADS])
                stretches.breathe()

    def holding(self, item: Any) -> list[FrameType]:
        """The frame that has `item` in a variable, if it still has."""
        place = self._places.get(id(item))
        if place is None:
            return []
        stack = _stack(self._frames().get(place[0]))[place[1] :][:1]
        return [frame for frame in stack if any(value is item for _, value in self._variables(frame))]

    def _frames(self) -> dict[int, FrameType]:
        """The innermost frame of each other thread; our own in a variable of ours would keep our whole stack alive."""
        frames = current_frames()
        frames.pop(self._own, None)
        return frames

    def _note(self, threads: list[int]) -> None:
        frames = self._frames()
        for thread in threads:
            for position, frame in enumerate(_stack(frames.get(thread))[:OUTER]):
                if len(self._places) >= MOST:
                    return
                for _, value in self._variables(frame):
                    self._places.setdefault(id(value), (thread, position))

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


def _stack(frame: FrameType | None) -> list[FrameType]:
    """The frames of a thread, the outermost first."""
    found: list[FrameType] = []
    while frame is not None and len(found) < DEEPEST:
        found.append(frame)
        frame = frame.f_back
    return found[::-1] if frame is None else []


def frame_of(item: Any) -> FrameType | None:
    """The frame of what runs or waits."""
    if type(item) is FRAME:
        return item
    prefix = WAITING.get(type(item))
    try:
        return getattr(item, prefix + "_frame") if prefix else None
    except Exception:  # an audit hook of the target has to be asked, and says no
        return None


def name_in(item: Any, value: Any) -> str:
    """The variable of what runs or waits that is `value`; empty where that cannot be told without a trace."""
    frame = frame_of(item)
    if frame is None or not _NAMED or not frame.f_code.co_flags & OPTIMIZED:
        return ""
    return next((name for name, one in frame.f_locals.items() if one is value), "")


def is_given(item: Any, values: tuple[Any, ...]) -> bool:
    """Whether what runs or waits got one of `values` as an argument: who gave it mostly holds it longer."""
    frame = frame_of(item)
    if frame is None or not frame.f_code.co_flags & OPTIMIZED:
        return False
    code = frame.f_code
    count = code.co_argcount + code.co_kwonlyargcount + bin(code.co_flags & _VARARGS).count("1")
    # In the order of the variables, arguments first, behind what belongs to the function.
    told = load("gc").get_referents(frame if _ASKED else item)
    own = (code, frame.f_globals, frame.f_builtins)
    around = [position for position, value in enumerate(told[:8]) if any(value is one for one in own)]
    first = max(around, default=-1) + 1
    return any(one is value for one in told[first : first + count] for value in values)
