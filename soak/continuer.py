"""Lets stopped processes go on when soak is gone: `python -m soak.continuer`, with `pid start_time` lines on stdin.

A process under SIGSTOP stays there for ever if whoever stopped it is killed. This one waits for the end of its input,
which comes however soak ends, then sends SIGCONT to those that are still the same processes.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress

from soak_probes import start_time_of


def let_go_on(keys: Iterable[tuple[int, int]]) -> None:
    """SIGCONT to every (pid, start time) that is still that process."""
    for pid, start_time in keys:
        if start_time_of(pid) == start_time:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGCONT)


def main() -> None:
    """Read until the input ends."""
    lines = [line.split() for line in sys.stdin]
    let_go_on((int(pid), int(start_time)) for pid, start_time in lines)


if __name__ == "__main__":
    main()
