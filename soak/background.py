"""One call in a daemon thread: for what may hang (a name server, a socket) and must delay neither a sample nor the end.

A thread pool would do the same but is waited for when the interpreter ends.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def in_background(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    """Call `function` in a thread of its own; its result or exception is in the future."""
    future: Future[T] = Future()

    def work() -> None:
        try:
            future.set_result(function(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 -- it belongs to whoever asks the future
            future.set_exception(error)

    threading.Thread(target=work, name=f"soak-{getattr(function, '__name__', 'work')}", daemon=True).start()
    return future
