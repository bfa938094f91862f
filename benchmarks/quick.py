"""Quick mode, `SOAK_BENCH=quick`: every benchmark in seconds, to see that it runs. Its figures say nothing.

Sizes are tiny and nothing is repeated; what this machine cannot have is named and left out; no goal can be missed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
VARIABLE = "SOAK_BENCH"
_GIVEN = os.environ.get(VARIABLE, "")
if _GIVEN not in ("", "quick"):
    raise SystemExit(f"{VARIABLE}={_GIVEN}: there is no such mode; quick is the only one")
QUICK = _GIVEN == "quick"


class LeftOut(SystemExit):
    """A peer or a tool that cannot be had, by its message: the end of a benchmark, in quick mode of a part of it."""


def sized(full: T, tiny: T) -> T:
    """A size, a count or a duration: the one of a measurement, or that of quick mode."""
    return tiny if QUICK else full


@contextmanager
def leaving_out(what: str) -> Iterator[None]:
    """In quick mode what is not to be had is said, and the rest goes on; otherwise LeftOut goes through."""
    try:
        yield
    except LeftOut as why:
        if not QUICK:
            raise
        print(f"{what}: left out, {why}", flush=True)


def run(main: Callable[[], int | None]) -> int:
    """Run a whole benchmark: its exit code, which is 1 when a goal was missed; in quick mode there is none to miss."""
    code: int | None = 0
    with leaving_out("this benchmark"):
        code = main()
    if QUICK:
        print(f"{VARIABLE}=quick: tiny sizes, nothing repeated; these figures say nothing", flush=True)
    return 0 if QUICK else code or 0
