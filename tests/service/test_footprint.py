"""The daemon as a process keeps its memory together."""

from __future__ import annotations

from pathlib import Path

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
