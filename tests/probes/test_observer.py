"""One sample of everything: values against the truth, and what of it is not the target's."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from soak_probes import Excluded, Observer, ProcessTree
from tests.common import wait_until
from tests.probes.conftest import FORK, Guest, look, values


def test_memory_grows_by_what_is_allocated(guest: Callable[[str], Guest]) -> None:
    """32 MiB of touched private memory more than an idle guest, in rss, uss and pss alike (2 MiB of tolerance)."""
    idle = look(ProcessTree([guest("").key]))
    full = look(ProcessTree([guest("block = bytearray(b'x' * (32 << 20))").key]))
    for name in ("rss", "uss", "pss"):
        assert full[name] - idle[name] == pytest.approx(32 << 20, abs=2 << 20), name


def test_pss_divides_what_forks_share(guest: Callable[[str], Guest]) -> None:
    """Three processes share 32 MiB: rss counts it three times, pss once."""
    one = guest("block = bytearray(b'x' * (32 << 20))" + FORK)
    with closing(ProcessTree([one.key])) as tree:
        wait_until(lambda: len(tree.refresh()) == 3)
        found = look(tree)
    assert found["rss"] > 3 * (32 << 20)
    assert 32 << 20 < found["pss"] < 2 * (32 << 20)


def test_threads_and_children(guest: Callable[[str], Guest]) -> None:
    """Three threads of the main process and one of each child; a zombie is a child and has no thread."""
    one = guest(
        FORK
        + """
import threading
for _ in range(2):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
if os.fork() == 0: os._exit(0)
"""
    )
    with closing(Observer(ProcessTree([one.key]))) as observer:
        wait_until(lambda: [p.state for p in observer.tree.refresh()].count("Z") == 1)
        readings = observer.sample()
    assert values(readings)["threads"] == 3 + 2
    assert values(readings)["children"] == 3
    assert values(readings, f"{one.pid}:main")["children"] == 3


def test_cpu_is_the_share_of_one_core(guest: Callable[[str], Guest]) -> None:
    """What the kernel says that it burnt over what time passed. The first sample has no before."""
    one = guest("")
    now = [1000.0]
    with closing(Observer(ProcessTree([one.key]), monotonic=lambda: now[0])) as observer:
        assert "cpu" not in values(observer.sample())
        ticks = observer.processes[0].stat.cpu_ticks
        now[0] += 10.0
        sample = values(observer.sample())
        used = observer.processes[0].stat.cpu_ticks - ticks
    assert sample["cpu"] == pytest.approx(used / os.sysconf("SC_CLK_TCK") / 10.0)


def test_cpu_of_a_busy_process(guest: Callable[[str], Guest]) -> None:
    """0.2 s of CPU burnt between two samples that are said to be 1 s apart: 0.2 of a core, 5 ticks of tolerance."""
    one = guest(
        """
        import time
        def burn():
            end = time.process_time() + 0.2
            while time.process_time() < end: pass
        """
    )
    now = [1000.0]
    with closing(Observer(ProcessTree([one.key]), monotonic=lambda: now[0])) as observer:
        observer.sample()
        one.do("burn()")
        now[0] += 1.0
        assert values(observer.sample())["cpu"] == pytest.approx(0.2, abs=0.05)


def test_descriptors_by_kind(guest: Callable[[str], Guest]) -> None:
    """What the guest opens more than an idle one: two files, a pipe (two ends), an epoll and a pty pair."""
    idle = look(ProcessTree([guest("").key]))
    busy = look(
        ProcessTree(
            [
                guest(
                    """
                    import os, select
                    kept = [open("/etc/hostname"), open("/etc/hostname"), os.pipe(), select.epoll(), os.openpty()]
                    """
                ).key
            ]
        )
    )
    assert busy["fds"] - idle["fds"] == 2 + 2 + 1 + 2
    assert busy["fds.file"] - idle.get("fds.file", 0) == 2
    assert busy["fds.pipe"] - idle["fds.pipe"] == 2
    assert busy["fds.eventpoll"] == 1
    assert busy["fds.pty"] == 2


def test_sockets_by_state(guest: Callable[[str], Guest]) -> None:
    """Listeners, a whole connection (both ends), three whose peer has gone, UDP, Unix and an unbound one."""
    one = guest(
        """
        import socket
        listener = socket.create_server(("127.0.0.1", 0))
        whole = socket.create_connection(listener.getsockname()), listener.accept()
        left = []
        for _ in range(3):
            client = socket.create_connection(listener.getsockname())
            left.append(listener.accept()[0])
            client.close()
            left[-1].recv(1)  # until the end of the connection has arrived
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.bind(("127.0.0.1", 0))
        pair = socket.socketpair()
        six = socket.create_server(("::1", 0), family=socket.AF_INET6) if socket.has_ipv6 else None
        unbound = socket.socket()
        """
    )
    found = look(ProcessTree([one.key]))
    assert found["sockets.listen"] == 2
    assert found["sockets.established"] == 2
    assert found["sockets.close_wait"] == 3
    assert found["sockets.udp"] == 1
    assert found["sockets.unix"] == 2
    assert found["sockets.other"] == 1
    assert found["sockets"] == 2 + 2 + 3 + 1 + 2 + 1 == found["fds.socket"]


def test_a_kind_that_is_gone_is_zero(guest: Callable[[str], Guest]) -> None:
    """Closing the last epoll makes fds.eventpoll 0, not a series that breaks off."""
    one = guest("import select; epoll = select.epoll()")
    with closing(Observer(ProcessTree([one.key]))) as observer:
        assert values(observer.sample(deep=True))["fds.eventpoll"] == 1
        one.do("epoll.close()")
        assert values(observer.sample(deep=True))["fds.eventpoll"] == 0


def test_what_is_the_agents_is_left_out(guest: Callable[[str], Guest]) -> None:
    """One thread and one socket of the agent in the target: neither its fds nor its sockets nor its threads."""
    one = guest(
        """
        import os, socket, threading
        mine, agents = socket.socket(), socket.socket()
        threading.Thread(target=threading.Event().wait, daemon=True).start()
        print(os.fstat(agents.fileno()).st_ino)
        """
    )
    with closing(Observer(ProcessTree([one.key]))) as observer:
        before = values(observer.sample(deep=True))
        observer.exclude = {one.pid: Excluded(threads=1, fd_inodes=frozenset({int(one.said[0])}))}
        after = values(observer.sample(deep=True))
    assert [before[name] - after[name] for name in ("fds", "fds.socket", "sockets", "threads")] == [1, 1, 1, 1]


def test_the_agents_closed_socket_is_not_subtracted(guest: Callable[[str], Guest]) -> None:
    """An inode that the process no longer has open takes nothing off its count."""
    one = guest("")
    with closing(Observer(ProcessTree([one.key]))) as observer:
        before = values(observer.sample(deep=True))["fds"]
        observer.exclude = {one.pid: Excluded(fd_inodes=frozenset({1, 2, 3}))}
        assert values(observer.sample(deep=True))["fds"] == before


def test_a_control_group_of_its_own_has_series(guest: Callable[[str], Guest], tmp_path: Path) -> None:
    """Of a unit or container: page cache apart from the working set; without figures a gap with the reason."""
    one = guest("")
    with closing(Observer(ProcessTree([one.key]), group=tmp_path)) as observer:
        gap = next(reading for reading in observer.sample() if reading.name == "cgroup.working_set")
        assert gap.value is None
        assert str(tmp_path) in str(gap.why)
        (tmp_path / "memory.current").write_text("1000\n")
        (tmp_path / "memory.stat").write_text("anon 600\nfile 400\ninactive_file 300\n")
        found = values(observer.sample())
    assert (found["cgroup.usage"], found["cgroup.working_set"], found["cgroup.page_cache"]) == (1000, 700, 400)
