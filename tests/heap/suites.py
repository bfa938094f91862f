"""The standard library's own tests without the sampler, with it, and with it preloaded; one sample in 512 bytes.

`PYTHON suites.py LIBRARIES [SUITE ...]` runs them with that Python and prints one line of the table in
docs/heap-sampler.md for it. Standard library only: an interpreter in a chroot runs it, too.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SUITES = ("test_json", "test_dict", "test_gc", "test_asyncio", "test_generators", "test_fork1", "test_ctypes")
MODES = ("without", "loaded", "preloaded")
LIMIT = 1400  # seconds


def environment(mode: str, libraries: Path, log: Path) -> dict[str, str]:
    """What starts the sampler in the suite's process and in every Python that it starts (site/sitecustomize.py)."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LD_", "SOAK_HEAP"))}
    if mode != "without":
        environ["PYTHONPATH"] = str(HERE / "site")
        environ["SOAK_HEAP_SOURCE"] = str(HERE.parents[1] / "probes" / "soak_heap" / "sampler.py")
        environ["SOAK_HEAP_LIBRARY"] = str(libraries / "_soak_heap.so")
        environ["SOAK_HEAP_INTERVAL"] = "512"
        environ["SOAK_HEAP_LOG"] = str(log)
    if mode == "preloaded":
        environ["LD_PRELOAD"] = str(libraries / "_soak_heap_preload.so")
    return environ


class Outcome:
    """What one suite came to: `ran` tests, the names of those that failed, and how many processes were sampled."""

    def __init__(self, python: str, suite: str, mode: str, libraries: Path) -> None:
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder) / "log"
            command = [python, "-m", "test", "-v", "-u", "none", suite]
            done = subprocess.run(
                command,
                env=environment(mode, libraries, log),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=LIMIT,
                check=False,
            )
            lines = log.read_text().splitlines() if log.exists() else []
        self.code = done.returncode
        self.ran = sum(map(int, re.findall(r"^Ran (\d+) tests? in", done.stdout, re.MULTILINE)))
        self.failed = set(re.findall(r"^(?:FAIL|ERROR): (.+)$", done.stdout, re.MULTILINE))
        self.sampled = sum(f"sampled native={mode == 'preloaded'}" in line for line in lines)
        self.refused = [line for line in lines if "refused" in line]
        self.output = done.stdout

    def said(self) -> str:
        """For the table."""
        crashed = f" exit {self.code}" if self.code not in (0, 2) else ""
        return f"{self.ran}{f', {len(self.failed)} failed' if self.failed else ''}{crashed}"


def compare(python: str, suite: str, libraries: Path) -> str:
    """One cell: the number of tests when all modes agree, else each mode's outcome."""
    found = {mode: Outcome(python, suite, mode, libraries) for mode in MODES}
    if len({(outcome.code, outcome.ran, frozenset(outcome.failed)) for outcome in found.values()}) == 1:
        return found["without"].said()
    for mode, outcome in found.items():
        print(
            f"{python} {suite} {mode}: {outcome.code} {sorted(outcome.failed)} {outcome.refused[:2]}", file=sys.stderr
        )
    return "; ".join(f"{mode}: {outcome.said()}" for mode, outcome in found.items())


def main() -> None:
    """Print the line."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background would hand its deafness on
    libraries = Path(sys.argv[1]).resolve()
    cells = [compare(sys.executable, suite, libraries) for suite in sys.argv[2:] or SUITES]
    print(f"| {sys.version.split()[0]} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
