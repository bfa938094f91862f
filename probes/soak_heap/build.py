"""Compiles the heap sampler with the system's C compiler: `python probes/soak_heap/build.py [FOLDER]`.

The wheel's build does it (hatch_build.py); where that had no compiler it can be done afterwards, in place.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

SOURCE = Path(__file__).resolve().parent / "soak_heap.c"
LIBRARY = SOURCE.with_name("_soak_heap.so")
PRELOAD = SOURCE.with_name("_soak_heap_preload.so")  # the same with malloc and mmap of its own, for LD_PRELOAD
FLAGS = ("-std=gnu11", "-O2", "-g1", "-fPIC", "-fvisibility=hidden", "-fno-builtin", "-Wall", "-Wextra")
LINK = ("-shared", "-Wl,-z,nodelete", "-Wl,-z,now", "-Wl,-z,relro", "-pthread", "-ldl")
TIMEOUT = 120  # seconds; it takes two


def compile_library(folder: Path = SOURCE.parent) -> str:
    """Compile both libraries into `folder` with $CC or cc. Returns an empty string, or why it could not be done."""
    if not sys.platform.startswith("linux"):
        return "the heap sampler is for Linux"
    preload = folder / PRELOAD.name
    return compile_shared([SOURCE], folder / LIBRARY.name) or compile_shared([SOURCE], preload, "-DSOAK_PRELOAD")


def compile_shared(sources: Iterable[Path], output: Path, *more: str) -> str:
    """Compile one library. Returns an empty string, or why it could not be done."""
    building = output.with_name(f"{output.name}.{os.getpid()}")  # a running process may have the old one mapped
    return compile_c([*FLAGS, *more, *map(str, sources), "-o", str(building), *LINK]) or _replace(building, output)


def compile_c(arguments: list[str]) -> str:
    """Run the C compiler. Returns an empty string, or why it failed."""
    compiler = shlex.split(os.environ.get("CC", "cc"))
    try:
        done = subprocess.run([*compiler, *arguments], capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"no C compiler ({compiler[0]}): {error}"
    return f"{compiler[0]} failed: {done.stderr.strip()[-2000:]}" if done.returncode else ""


def _replace(building: Path, output: Path) -> str:
    building.replace(output)
    return ""


if __name__ == "__main__":
    sys.exit(compile_library(*(Path(folder).resolve() for folder in sys.argv[1:2])) or 0)
