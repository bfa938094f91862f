"""`python -m soak.load.leash COMMAND ...`: becomes the command, on a leash: it dies when the load worker dies.

PR_SET_PDEATHSIG survives exec (prctl(2)); a session of its own lets the worker end the command with all its children.
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
    if os.getppid() == 1:  # the worker died before the leash was on
        sys.exit(1)
    try:
        os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606  # the command that the user wrote, without a shell
    except OSError as error:
        print(f"soak: {sys.argv[1]}: {error.strerror}", file=sys.stderr)
        sys.exit(NOT_FOUND)


if __name__ == "__main__":
    main()
