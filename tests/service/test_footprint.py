"""The daemon as a process keeps its memory together."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from soak.errors import SoakError
from soak_probes.parse import parse_environ
from soak_storage import open_store
from tests.common import wait_until
from tests.service.daemons import service

HEAP_BYTES = 64 << 20  # the address space of an arena of glibc, which ends at a multiple of it


def arenas(pid: int) -> int:
    """Of the malloc of other threads than the main one: what is left of the address space of each is its last part."""
    maps = [line.split() for line in Path(f"/proc/{pid}/maps").read_text().splitlines()]
    ends = [int(line[0].split("-")[1], 16) for line in maps if line[1] == "---p" and len(line) == 5]
    return sum(end % HEAP_BYTES == 0 for end in ends)


def test_all_threads_of_the_daemon_share_one_arena(tmp_path: Path) -> None:
    """While it soaks: its parts, its web server and its recorder are nine threads."""
    with service(tmp_path, load={"cycle": "60s", "cycles": 4, "low": 5, "high": 20}) as daemon:
        daemon.wait_for_phase("soaking")
        assert arenas(daemon.process.pid) == 0


def tunables(pid: int) -> str | None:
    """What glibc was told at the start of a process."""
    return parse_environ(Path(f"/proc/{pid}/environ").read_bytes()).get("GLIBC_TUNABLES")


def guest_of(store: Path) -> int | None:
    """The process that the run of a daemon soaks, once that is stored."""
    with contextlib.suppress(SoakError), open_store(f"sqlite:///{store}", create=False) as opened:
        return next((process.pid for process in opened.processes(1) if process.role == "main"), None)
    return None


def test_what_the_daemon_is_told_of_its_memory_its_target_is_not(tmp_path: Path) -> None:
    """malloc keeps no caches for the threads of the daemon; the target has malloc as it would have without soak."""
    with service(tmp_path, load={"cycle": "60s", "cycles": 4, "low": 5, "high": 20}) as daemon:
        daemon.wait_for_phase("soaking")
        guest = wait_until(lambda: guest_of(tmp_path / "soak.db"))
        assert tunables(daemon.process.pid) == "glibc.malloc.tcache_count=0"
        assert tunables(guest) == os.environ.get("GLIBC_TUNABLES")
