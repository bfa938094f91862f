"""Peers from the package index, each in an environment of its own that a benchmark makes for itself, in a cache."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CACHE = Path(os.environ.get("SOAK_BENCH_CACHE", Path.home() / ".cache/soak-bench"))


def installed(package: str) -> Path | None:
    """The `bin` folder of an environment with this package; None when it cannot be installed."""
    home = CACHE / package
    if not (home / ".done").exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", home], check=True)
            subprocess.run([home / "bin/pip", "install", "-q", package], check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        (home / ".done").touch()
    return home / "bin"
