"""Under LD_PRELOAD: malloc and its kin, and mmap, with the Python stack and the native caller."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Guest, guest_environment


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_native_leaks_come_within_a_tenth_of_the_truth_after_fifty_megabytes(guest: Guest, seed: int) -> None:
    """50 MB of each kind at 64 KiB: one standard error is 3.6 %, a mapping of 1 MiB is certain to be sampled."""
    found = guest("native.py", seed, preload=True)
    for kind in ("malloc", "aligned", "realloc"):
        assert 0.9 < found[kind] < 1.1, f"{kind}: {found[kind]}"
    assert found["mmap"] == pytest.approx(1, abs=0.001)
    assert found["malloc freed"] == 0
    assert found["mmap half unmapped"] == pytest.approx(1, abs=0.001)
    assert found["mmap part unmapped"] == pytest.approx(24.5, abs=0.01)
    assert found["mappings under the module's line"] == pytest.approx(24.5, abs=0.5)  # arenas are left out
    assert found["raw"] == 0  # the raw domain is malloc here, and counted once
    assert 60 < found["threads"] < 70


def test_the_native_caller_is_named_by_module_symbol_and_build_id(guest: Guest, python: str) -> None:
    """zlib allocates by itself: the innermost frame is its library, under the Python line that asked."""
    natives = guest("native.py", 4, python=python, preload=True)["natives"]
    assert any("libz" in native["module"] and native["symbol"].startswith("deflate") for native in natives)
    assert all(native["offset"] > 0 and not native["interpreter"] for native in natives)
    assert any(len(native["build_id"]) == 40 for native in natives)


@pytest.mark.parametrize("command", [["/bin/sh", "-c", "echo $((6 * 7)) | cat"], [sys.executable, "-c", "print(42)"]])
def test_a_preloaded_process_that_does_not_sample_is_left_alone(library: Path, command: list[str]) -> None:
    """The library is inherited by whatever the target starts, Python or not."""
    environment = guest_environment(library, preload=True)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=True)
    assert (done.stdout, done.stderr) == ("42\n", "")
