"""The C file by itself, under a made-up interpreter that churns it (driver.c), plain and with the sanitizers."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from soak_heap.build import compile_c

from .conftest import HERE

FLAGS = [
    "-std=gnu11",
    "-O1",
    "-g",
    "-fno-builtin",
    "-fno-omit-frame-pointer",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-rdynamic",
]
LIBRARIES = ["-lm", "-pthread", "-ldl"]


def churn(output: Path, rounds: int, seed: int, *sanitizer: str) -> None:
    """Compile and run the driver; it aborts, or a sanitizer ends it, when something is wrong."""
    why = compile_c([*FLAGS, *sanitizer, str(HERE / "driver.c"), "-o", str(output), *LIBRARIES])
    if sanitizer and ("cannot find" in why or "unrecognized" in why):
        pytest.skip(f"the compiler has no {sanitizer[0]} here")
    assert not why, why
    options = {"ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "halt_on_error=1", "TSAN_OPTIONS": "halt_on_error=1"}
    command = [str(output), str(rounds), str(seed)]
    done = subprocess.run(command, env=os.environ | options, capture_output=True, text=True, timeout=240, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "fine\n", "")


def test_every_byte_is_accounted_for_and_nothing_is_left_over(library: Path, tmp_path: Path) -> None:
    """Exact at an interval of one byte, realloc that fails included; then twenty starts and stops under churn."""
    churn(tmp_path / "driver", 20, 1)


@pytest.mark.slow
@pytest.mark.parametrize("sanitizer", ["address,undefined", "thread"])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_sanitizers_find_nothing_under_churn(library: Path, tmp_path: Path, sanitizer: str, seed: int) -> None:
    """Two hundred starts and stops, with dumps, forks and code objects that vanish, under four threads."""
    churn(tmp_path / "driver", 200, seed, f"-fsanitize={sanitizer}")
