"""Temporary files and folders that the target made: where they are, and the stack that made each while it is there.

Most are removed without our hearing of it. What is gone is found out by each reading and, in a table that is large, by
looking at the two oldest paths whenever one is added: so that no call of the target pays for a whole table, and the
dead are never many more than the living.
"""

from __future__ import annotations

import os

from .proc import size_of
from .stdlib import load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .stacks import Chain

MOST = 1 << 17  # paths remembered, some 300 bytes each
FEW = 8192  # up to so many are looked at by readings alone
LOOKS = 2  # at each addition to more, 2 us each


def places(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The folders of temporary files, each with a slash at its end: that of Python's tempfile, and what all share."""
    named = [environ.get(name, "") for name in ("TMPDIR", "TEMP", "TMP")]
    own = next((place for place in named if place.startswith("/")), "/tmp")  # noqa: S108 - looked at, not used
    shared = (own, "/tmp", "/var/tmp", "/dev/shm")  # noqa: S108
    return tuple({os.path.join(os.path.realpath(place), "") for place in shared} - {"/"})


TMP = places(os.environ)


class Temporary:
    """The table; `over` once a path was not kept: how many there are is not known from then on."""

    def __init__(self) -> None:
        # path to (stack, when on the monotonic clock), those that were looked at longest ago first
        self.made = load("_collections").OrderedDict()
        self.over = False

    def __contains__(self, path: str) -> bool:
        return path in self.made

    def add(self, path: str, chain: Chain, now: float) -> None:
        """`path` is being made; one that is known keeps its first stack."""
        if path in self.made:
            return
        if len(self.made) >= FEW:
            for _ in range(LOOKS):
                self._look(next(iter(self.made)))
        if len(self.made) < MOST:
            self.made[path] = (chain, now)
        else:
            self.over = True

    def _look(self, path: str) -> None:
        if os.path.lexists(path):
            self.made.move_to_end(path)
        else:
            self.made.pop(path, None)

    def forget(self, path: str) -> tuple[Chain, float] | None:
        """It is gone: what was known of it."""
        born: tuple[Chain, float] | None = self.made.pop(path, None)
        return born

    def living(self) -> Iterator[tuple[str, int, Chain, float]]:
        """(path, bytes, stack, when) of what is there; the rest is forgotten."""
        for path in list(dict.keys(self.made)):  # in no order: 2 ms for as many as there may be, in order 65
            size, born = size_of(path), self.made.get(path)
            if size is None:
                self.made.pop(path, None)
            elif born is not None:
                yield (path, size, *born)
