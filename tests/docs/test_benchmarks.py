"""Benchmarks, `make self-soak` and `make test-slow` run as they stand, in quick mode (benchmarks/quick.py) and in part.

Each table is asserted to have its rows, never what stands in them: so short, beside other tests, figures say nothing.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import names
from tests.docs.blocks import ROOT
from tests.docs.conftest import Timed
from tests.docs.shell import HERE, run
from tests.docs.test_commands import called

SLOW = [pytest.mark.slow, pytest.mark.timeout(7200)]
SAYS_NOTHING = "these figures say nothing"
# Of the slow tests this one, in this Python: seconds, and nothing in it depends on how fast the machine is.
ONE_SLOW_TEST = f"tests/heap/test_stdlib_suites.py -k 'test_dict and 3.{sys.version_info.minor}'"
LEFT_OUT = re.compile(r"(?m)^.+: left out, .*$")


def quick(command: str, folder: Path = ROOT, **more: str) -> str:
    """What a command prints in quick mode, in the folder of the repository."""
    more |= {"SOAK_BENCH": "quick", "SOAK_BENCH_CACHE": str(ROOT / "build/bench-cache")}
    return run(command, folder, HERE, **more)


def check(command: str, said: str, *rows: str) -> list[str]:
    """Its part of what `make bench` printed has a line for each pattern, but for what it says it had to leave out."""
    part = said.partition(f"== {command} ==\n")[2].partition("\n== ")[0]
    assert SAYS_NOTHING in part, f"{command}\n{said}"
    missing = [row for row in rows if not re.search(rf"(?m)^ *{row}", part)]
    left_out = LEFT_OUT.findall(part)
    assert left_out or not missing, f"{command} has no row {missing}:\n{part}"
    return [f"{command}: {line}" for line in left_out] if missing else []


def test_every_benchmark_is_checked() -> None:
    """Those that `make bench` runs: a new one needs its rows below."""
    assert {f"python -m benchmarks.{name}" for name in names()} <= called("tests/docs/test_benchmarks.py")


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_make_bench(timed: Timed) -> None:
    """One benchmark after the other, each by the command of its own that stands above its table."""
    with timed("README.md", "make bench"):
        said = quick("make bench")
    left_out = [
        *check("python -m benchmarks.heap", said, "null ", "soak 64 KiB ", "soak 64 KiB preloaded ", "memray ",
               "ddtrace 512 KiB ", "tracemalloc 1 frame ", "leak ranks first", "native leak by mmap",
               "CPU, alloc ", "memory added to wsgi"),
        *check("python -m benchmarks.light", said, r"1 +\S+ %", r"50 +\S+ %"),
        *check("python -m benchmarks.load", said, "CPU per request, closed loop", "the same over TLS",
               "CPU per request, open loop, 500/s", "scripted scenario", r"\d+ SSE streams, memory", "resident with",
               "pacing error p99 at 500/s", "a 1 s stall at 200/s", "growth per million requests, unique URLs"),
        *check("python -m benchmarks.overhead", said, "soak from outside ", "agent idle ", "agent, handles ",
               "agent, sampler ", "ddtrace 512 KiB ", "agent, tracemalloc ", "memray ", "CPU, agent idle, wsgi"),
        *check("python -m benchmarks.pause", said, ".* gc objects", "a reading, least: ", "retention paths",
               ".*agent.longest_pause = ", ".* more, alive, least: ", ".* more, garbage, least: "),
        *check("python -m benchmarks.planted", said, "list ", "cache "),
        *check("python -m benchmarks.probes", said, "with 30 descriptors", "a whole sample, deep", r"1 +\S+ %",
               r"50 +\S+ %"),
        *check("python -m benchmarks.processes", said, "0 x limit", "5 x limit", "benign shapes", "false verdict on"),
        *check("python -m benchmarks.reports", said, "soak report, text", "size of the HTML", "soak runs, "),
        *check("python -m benchmarks.storage", said, "raw sample, bytes", "series and day at 5 s", "list 20 runs"),
        *check("python -m benchmarks.verdicts", said, "### Shapes developed on", "### Shapes of strangers",
               r"\| soak \|", "Cost: "),
    ]  # fmt: skip
    if left_out:
        pytest.skip("; ".join(left_out))


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_benchmarks_by_themselves(timed: Timed) -> None:
    """What `make bench` leaves out, and the options that the documents show."""
    with timed("how-detection-works.md, in the text", "python -m benchmarks.verdicts --reps 50"):
        said = quick("python -m benchmarks.verdicts --reps 50")
    assert said.count("| soak |") == 3 and SAYS_NOTHING in said
    with timed("corpus.md", "python -m benchmarks.corpus.run --only leaky invoke-pty; … --parallel 3"):
        one = quick("python -m benchmarks.corpus.run --only leaky invoke-pty")
        several = quick("python -m benchmarks.corpus.run --parallel 3")
    assert re.search(r"(?m)^\| invoke-pty \| fds \| leaky \| .* \|$", one) and " of 1 as expected" in one, one
    assert re.search(r"(?m)^\| benign-session-ttl \| .* \| benign \| .* \|$", several), several
    assert several.count("\n| syn-lru-method |") == 2 and " of 3 as expected" in several, several
    if "packages cannot be installed" in one + several:
        pytest.skip("the package index does not answer")
    with timed("guest-safety.md, in the text", "python -m benchmarks.suites.run"):
        said = quick("python -m benchmarks.suites.run")
    left_out = LEFT_OUT.search(said)
    if left_out:
        pytest.skip(left_out[0])
    assert re.search(r"(?m)^\| test_contextlib \| 3\.[\d.]+ \| \d+ / \d+ / \d+ \| ", said), said


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_make_self_soak(timed: Timed) -> None:
    """Two short cycles of a real daemon that soaks a real server: a verdict, whichever, on its own process."""
    with timed("operations.md, in the text", "make self-soak"):
        said = quick("make self-soak")
    assert re.search(r"(?m)^(LEAK|FAILED|ERROR|INCONCLUSIVE|CLEAN)  soak-daemon: ", said), said


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_make_test_slow(timed: Timed) -> None:
    """One of them: it passes, or is skipped where there is no C compiler or no test of Python's own."""
    with timed("README.md", "make test-slow"):
        said = quick("make test-slow", SLOW=ONE_SLOW_TEST)
    assert re.search(r"(?m)^1 (passed|skipped), \d+ deselected", said), said
