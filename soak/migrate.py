"""Brings a store up to date in a short-lived process: `python -m soak.migrate`, the URL on stdin.

alembic and what it needs are 12 MB that a daemon would carry for months after its first start.
"""

from __future__ import annotations

import subprocess
import sys

from soak.errors import interpreter_unusable

PATIENCE = 600.0  # seconds: a large store takes minutes


def migrate(url: str) -> None:
    """Create or upgrade the store; what goes wrong is left for whoever opens it next, and says so.

    SoakError `interpreter_unusable` when there can be no such process.
    """
    command = (sys.executable, "-P", "-m", "soak.migrate")
    try:
        subprocess.run(command, input=url, text=True, capture_output=True, timeout=PATIENCE, check=False)
    except OSError as error:
        raise interpreter_unusable(error) from error


def main() -> int:
    """Open the store once."""
    from soak.errors import SoakError
    from soak_storage import open_store

    try:
        open_store(sys.stdin.read()).close()
    except SoakError:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
