"""Peers from the package index, each in an environment of its own that a benchmark makes for itself, in a cache."""

from __future__ import annotations

import os
import subprocess
import venv
from pathlib import Path

from benchmarks.quick import LeftOut

CACHE = Path(os.environ.get("SOAK_BENCH_CACHE", Path.home() / ".cache/soak-bench"))
# What it is measured beside, to the version, with what does the peer's work below it.
PINNED = {
    "locust": ("locust==2.47.0", "gevent==26.9.0", "geventhttpclient==2.6.1"),
    "psrecord": ("psrecord==1.4", "psutil==7.2.2"),
}


def installed(package: str) -> Path:
    """The `bin` folder of an environment with this package, and its versions on stderr. LeftOut when pip fails."""
    home, wanted = CACHE / package, "\n".join(PINNED[package])
    done = home / ".done"
    if not done.exists() or done.read_text() != wanted:
        try:
            venv.create(home, with_pip=True, clear=True)
            subprocess.run([home / "bin/pip", "install", "-q", *PINNED[package]], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise LeftOut(f"pip cannot install {', '.join(PINNED[package])}") from error
        done.write_text(wanted)
    return home / "bin"
