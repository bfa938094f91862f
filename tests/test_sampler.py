"""Looking from outside: processes that come and go, workers that are replaced."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from soak.sampler import Sampler
from soak_probes import ProcessTree, start_time_of
from soak_probes.reading import NOTHING_EXCLUDED
from soak_storage.records import EventRow, ProcessRow, SampleRow


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process to look at."""
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


def sampler_of(process: subprocess.Popen[bytes]) -> Sampler:
    """A sampler of that process, once a second."""
    return Sampler(ProcessTree([(process.pid, start_time_of(process.pid) or 0)]), 1.0)


def test_a_process_is_stored_when_it_comes_and_when_it_has_gone(sleeper: subprocess.Popen[bytes]) -> None:
    """Its second row says until when it was seen."""
    sampler = sampler_of(sleeper)
    first = [row for row in sampler.sample(0.0, 0) if isinstance(row, ProcessRow)]
    assert [(row.pid, row.first_t, row.last_t) for row in first] == [(sleeper.pid, 0.0, 0.0)]
    assert not [row for row in sampler.sample(1.0, 0) if isinstance(row, ProcessRow)]
    assert [row.last_t for row in sampler.last_seen()] == [1.0]
    sleeper.kill()
    sleeper.wait()
    gone = [row for row in sampler.sample(2.0, 0) if isinstance(row, ProcessRow)]
    assert [(row.pid, row.first_t, row.last_t) for row in gone] == [(sleeper.pid, 0.0, 1.0)]
    assert not list(sampler.last_seen())
    sampler.close()


def test_late_samples_leave_a_gap_that_is_stored(sleeper: subprocess.Popen[bytes]) -> None:
    """Two missed intervals are a gap event, and the next sample is due at the next whole multiple."""
    sampler = sampler_of(sleeper)
    list(sampler.sample(0.0, 0))
    rows = list(sampler.sample(3.4, 0))
    assert [(row.t0, row.t1) for row in rows if isinstance(row, EventRow)] == [(0.0, 3.4)]
    assert any(isinstance(row, SampleRow) and row.name == "rss" for row in rows)
    assert sampler.due == 4.0
    sampler.close()


def test_temporary_files_seen_from_outside_are_kept_for_the_reading(tmp_path: Path) -> None:
    """Where there is an agent they are no sample of their own; a deep look begins anew."""
    source = "import os, sys, tempfile; file = tempfile.NamedTemporaryFile(); print(flush=True); input(); file.close()"
    command = [sys.executable, "-c", f"{source}; print(flush=True); input()"]
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        sampler = sampler_of(process)
        sampler.exclude({process.pid: NOTHING_EXCLUDED})
        for t, seen in ((0.0, 1.0), (1.0, 0.0)):
            process.stdout.readline()
            rows = [row.name for row in sampler.sample(t, 0, deep=True) if isinstance(row, SampleRow)]
            assert "rss" in rows and "tmp_files" not in rows
            assert sampler.outside["tmp_files"] == seen
            process.stdin.write(b"\n")
            process.stdin.flush()
        sampler.close()
