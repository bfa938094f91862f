"""Which part a process plays in the target: main, worker, child or orphan."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Titles and command lines of workers that exec or rename themselves: gunicorn and nginx write "worker" into their
# title, multiprocessing (uvicorn --workers, process pools) starts fresh interpreters, php-fpm names its pools.
_WORKER = re.compile(r"worker|multiprocessing\.(spawn|forkserver)|php-fpm: pool|ForkPool", re.IGNORECASE)
# multiprocessing's bookkeeper looks like a worker and is none.
_HELPER = re.compile(r"resource_tracker|semaphore_tracker")


def role_of(cmdline: Sequence[str], parent_cmdline: Sequence[str], *, is_root: bool, reaches_root: bool) -> str:
    """The role: a descendant that was forked without exec, or calls itself a worker, is a worker."""
    if is_root:
        return "main"
    if not reaches_root:
        return "orphan"
    title = " ".join(cmdline)
    if _HELPER.search(title):
        return "child"
    forked = bool(cmdline) and tuple(cmdline) == tuple(parent_cmdline)
    return "worker" if forked or _WORKER.search(title) else "child"
