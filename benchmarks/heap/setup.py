"""The benchmark's own environment: the peers it is measured beside, and the frameworks of its workloads."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

from benchmarks.quick import LeftOut

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SOURCE = ROOT / "probes" / "soak_heap"
FOLDER = ROOT / "build" / "bench-heap"
PACKAGES = (
    "ddtrace==4.16.0",
    "flask==3.1.3",
    "mako==1.4.3",
    "memray==1.20.0",
    "pydantic==2.14.3",
    "pyperformance==1.14.0",
)


def environment() -> Path:
    """The Python of the environment, made at the first call (a minute). LeftOut when pip fails."""
    python = FOLDER / "bin" / "python"
    ready = FOLDER / ".ready"
    wanted = "\n".join(PACKAGES)
    if not ready.exists() or ready.read_text() != wanted:
        print(f"installing {', '.join(PACKAGES)} into {FOLDER.relative_to(ROOT)}", file=sys.stderr)
        venv.create(FOLDER, with_pip=True, clear=True)
        if subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=False).returncode:
            raise LeftOut(f"pip cannot install {', '.join(PACKAGES)}")
        ready.write_text(wanted)
    return python


def compiled() -> None:
    """The sampler's libraries, from the source as it is. LeftOut where they cannot be compiled."""
    if subprocess.run([sys.executable, SOURCE / "build.py"], check=False).returncode:
        raise LeftOut("the heap sampler cannot be compiled here")
