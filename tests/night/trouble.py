"""What happens to a service in a bad night: its target, its disk."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from soak_probes import start_time_of
from soak_storage import Store, open_store
from tests.service.daemons import Service

STOPPED = 2.0  # seconds of a target under SIGSTOP
FULL = 6.0  # seconds of a full disk


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A file system of that size, mounted below `folder`; skips where that is not allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk takes root with CAP_SYS_ADMIN")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """No byte is free meanwhile: every write gets ENOSPC."""
    ballast = disk / "ballast"
    file = os.open(ballast, os.O_WRONLY | os.O_CREAT)
    try:
        for size in (1 << 16, 1 << 12, 1):
            with suppress(OSError):
                while True:
                    os.write(file, b"x" * size)
        yield
    finally:
        os.close(file)
        ballast.unlink()


def samples(store: Store, run_id: int) -> int:
    """How many are stored of a run."""
    return sum(len(store.samples(info.id)[0]) for info in store.series(run_id))


def count(url: str) -> dict[int, int]:
    """Samples by run."""
    with open_store(url) as store:
        return {run.id: samples(store, run.id) for run in store.runs()}


def target_of(daemon: Service) -> int | None:
    """The pid of the target that runs now."""
    with open_store(daemon.store) as store:
        owned = [row for _, row in store.owned_processes() if row.what == "target"]
    return next((row.pid for row in owned if start_time_of(row.pid) == row.start_time), None)


def kill_target(daemon: Service) -> None:
    """SIGKILL to the target; soak starts it again."""
    pid = target_of(daemon)
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def stop_target(daemon: Service) -> None:
    """SIGSTOP, and SIGCONT later."""
    pid = target_of(daemon)
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            time.sleep(STOPPED)
            os.kill(pid, signal.SIGCONT)


def fill_disk(daemon: Service) -> None:
    """No room for a while; the daemon has to live through it."""
    with full(daemon.folder):
        time.sleep(FULL)
        assert daemon.process.poll() is None


def happens(daemon: Service, chance: random.Random) -> str:
    """One trouble; what it was."""
    what = chance.choice((kill_target, stop_target, fill_disk))
    what(daemon)
    return what.__name__
