"""The standard library's own tests under the sampler at one sample in 512 bytes: no crash and no failure."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from .conftest import HERE, guest_environment

SUITES = ("test_json", "test_dict", "test_gc", "test_asyncio", "test_generators", "test_fork1", "test_ctypes")


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("preload", [False, True], ids=["hooks", "preload"])
def test_the_stdlib_suites_pass_under_the_sampler(library: Path, python: str, preload: bool, tmp_path: Path) -> None:
    """site/sitecustomize.py starts it in the suite's process and in every Python that the suite starts."""
    if subprocess.run([python, "-c", "import test.test_json"], capture_output=True, check=False).returncode:
        pytest.skip(f"{python} came without its test suite")
    log = tmp_path / "log"
    environment = guest_environment(library, preload=preload) | {
        "PYTHONPATH": str(HERE / "site"),
        "SOAK_HEAP_INTERVAL": "512",
        "SOAK_HEAP_LOG": str(log),
    }
    command = [python, "-m", "test", "-w", "-u", "none", *SUITES]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=1400, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    processes = log.read_text().splitlines()
    assert len(processes) > 50
    assert all(f"sampled native={preload}" in line for line in processes)
