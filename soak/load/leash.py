"""`python leash.py WORKER COMMAND ...`: becomes the command, on a leash: it dies when the load worker dies.

WORKER is the process id of that worker, our parent. PR_SET_PDEATHSIG survives exec (prctl(2)); a session of its own
lets the worker end the command with all its children. Run by its path: only the standard library, so it starts fast.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
NOT_FOUND = 127  # as shells say


def main() -> None:
    """Set the leash, then exec."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    worker, *command = sys.argv[1:]
    if os.getppid() != int(worker):  # it died before the leash was on; whoever adopted us need not be process 1
        sys.exit(1)
    try:
        os.execvp(command[0], command)  # noqa: S606  # the command that the user wrote, without a shell
    except OSError as error:
        print(f"soak: {command[0]}: {error.strerror}", file=sys.stderr)
        sys.exit(NOT_FOUND)


if __name__ == "__main__":
    main()
