"""The standard library's own tests under the sampler at one sample in 512 bytes: no crash and no new failure."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from .suites import SUITES, Outcome


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("suite", SUITES)
def test_a_stdlib_suite_passes_the_same_with_and_without_the_sampler(library: Path, python: str, suite: str) -> None:
    """The same number of tests, the same failures (often none), loaded and preloaded; every process was sampled."""
    if subprocess.run([python, "-c", "import test.test_json"], capture_output=True, check=False).returncode:
        pytest.skip(f"{python} came without its test suite")
    plain = Outcome(python, suite, "without", library.parent)
    for mode in ("loaded", "preloaded"):
        found = Outcome(python, suite, mode, library.parent)
        assert (found.code, found.ran, found.failed) == (plain.code, plain.ran, plain.failed), found.output[-4000:]
        assert found.sampled
        assert not found.refused
