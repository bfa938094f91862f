"""One sample of everything: values against the truth, totals, gaps with reasons, what is left out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from soak_probes import Excluded, Observer, ProcessTree, Reading, start_time_of
from soak_probes.probes.base import Probe, Values
from soak_probes.probes.pss import Pss
from soak_probes.probes.rss import Rss
from soak_probes.reading import Refused
from soak_probes.view import View
from tests.common import wait_until
from tests.probes.conftest import Guest, look, values

FORK = """
import os, sys
for _ in range(2):
    if os.fork() == 0:
        sys.stdin.readline(); os._exit(0)
"""


def test_memory_grows_by_what_is_allocated(guest: Callable[[str], Guest]) -> None:
    """32 MiB of touched private memory more than an idle guest, in rss, uss and pss alike (1 MiB of tolerance)."""
    idle = look(ProcessTree([guest("").key]))
    full = look(ProcessTree([guest("block = bytearray(b'x' * (32 << 20))").key]))
    for name in ("rss", "uss", "pss"):
        assert full[name] - idle[name] == pytest.approx(32 << 20, abs=1 << 20), name


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
    """Against the guest's own clock: what it burnt over what time passed. The first sample has no before."""
    one = guest(
        """
        import time
        before = time.process_time()
        """
    )
    now = [1000.0]
    with closing(Observer(ProcessTree([one.key]), monotonic=lambda: now[0])) as observer:
        assert "cpu" not in values(observer.sample())
        ticks = observer.processes[0].stat.cpu_ticks
        os.kill(one.pid, 0)
        now[0] += 10.0
        sample = values(observer.sample())
        used = observer.processes[0].stat.cpu_ticks - ticks
    assert sample["cpu"] == pytest.approx(used / os.sysconf("SC_CLK_TCK") / 10.0)


def test_cpu_of_a_busy_process(guest: Callable[[str], Guest]) -> None:
    """0.1 s of CPU burnt between two samples that are said to be 1 s apart: 0.1 of a core, 2 ticks of tolerance."""
    one = guest(
        """
        import signal, time
        def burn(*_):
            end = time.process_time() + 0.1
            while time.process_time() < end: pass
            print("burnt", flush=True)
        signal.signal(signal.SIGUSR1, burn)
        """
    )
    now = [1000.0]
    with closing(Observer(ProcessTree([one.key]), monotonic=lambda: now[0])) as observer:
        observer.sample()
        os.kill(one.pid, 10)
        assert one.process.stdout is not None
        one.process.stdout.readline()
        now[0] += 1.0
        assert values(observer.sample())["cpu"] == pytest.approx(0.1, abs=0.02)


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
    """Closing the last pipe makes fds.pipe 0, not a series that breaks off."""
    one = guest(
        """
        import os, select, signal
        ends = [select.epoll()]
        signal.signal(signal.SIGUSR1, lambda *_: (ends.pop().close(), print("closed", flush=True)))
        """
    )
    with closing(Observer(ProcessTree([one.key]))) as observer:
        assert values(observer.sample(deep=True))["fds.eventpoll"] == 1
        os.kill(one.pid, 10)
        assert one.process.stdout is not None
        one.process.stdout.readline()
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


class _Refusing(Probe):
    """Refuses one process of the tree."""

    name = "rss"
    unit = "bytes"
    refused_pid = 0

    def sample(self, view: View) -> Values | None:
        if view.process.pid == self.refused_pid:
            raise Refused("no permission")
        return {"rss": 5.0}


class _Breaking(Probe):
    """Has a fault of its own."""

    name = "uss"
    unit = "bytes"

    def sample(self, view: View) -> Values | None:
        raise ValueError("field 7 is missing")


class _NeverDue(Probe):
    """Has nothing to say yet."""

    name = "pss"
    unit = "bytes"

    def sample(self, view: View) -> Values | None:
        return None


def _sample(guest: Callable[[str], Guest], probes: Sequence[type[Probe]], refuse_child: bool = False) -> list[Reading]:
    one = guest(FORK)
    with closing(Observer(ProcessTree([one.key]), probes=probes)) as observer:
        wait_until(lambda: len(observer.tree.refresh()) == 3)
        observer.tree.refresh()
        observer.tree.refresh()
        _Refusing.refused_pid = observer.processes[1].pid if refuse_child else 0
        return observer.sample()


def test_a_total_that_lacks_a_part_is_a_gap(guest: Callable[[str], Guest]) -> None:
    """Two of three processes are no total: null with the reason, while the two keep their own values."""
    readings = _sample(guest, [_Refusing], refuse_child=True)
    total = next(reading for reading in readings if reading.process == "total")
    assert total.value is None
    assert total.why == f"process {_Refusing.refused_pid}: no permission"
    assert sorted(reading.value or 0 for reading in readings if reading.process != "total") == [0, 5, 5]


def test_a_fault_in_a_probe_is_a_gap_in_its_series(guest: Callable[[str], Guest]) -> None:
    """The other probes go on; the reason is kept."""
    readings = _sample(guest, [_Breaking, Rss])
    assert values(readings)["uss"] is None
    assert values(readings)["rss"] > 0
    assert {reading.why for reading in readings if reading.name == "uss" and reading.process != "total"} == {
        "ValueError: field 7 is missing"
    }


def test_what_is_not_due_is_no_gap(guest: Callable[[str], Guest]) -> None:
    """Nothing at all is said, rather than that it could not be had."""
    assert _sample(guest, [_NeverDue]) == []


def test_every_reading_has_its_cost(guest: Callable[[str], Guest]) -> None:
    """In microseconds; a total costs what its parts cost."""
    readings = _sample(guest, [Rss])
    total, parts = readings[0], readings[1:]
    assert total.cost_us == pytest.approx(sum(part.cost_us for part in parts))
    assert all(0 < part.cost_us < 1e5 for part in parts)


def test_details_can_be_left_out(guest: Callable[[str], Guest]) -> None:
    """Then there are totals only."""
    one = guest("")
    with closing(Observer(ProcessTree([one.key]))) as observer:
        assert {reading.process for reading in observer.sample(details=False)} == {"total"}


def test_helpers_that_come_and_go_have_no_series(guest: Callable[[str], Guest]) -> None:
    """A child counts in the totals at once; its own series begin when it was there at three looks."""
    one = guest(FORK)
    with closing(Observer(ProcessTree([one.key]))) as observer:
        wait_until(lambda: len(observer.tree.refresh()) == 3)
        labels = [{reading.process for reading in observer.sample()} for _ in range(3)]
        assert labels[0] in ({"total", f"{one.pid}:main"}, labels[2])
        assert len(labels[2]) == 4


def test_a_kernel_without_a_file_is_a_gap(tmp_path: Path) -> None:
    """No smaps_rollup before Linux 4.14: the process is there, so it is said, and not mistaken for its end."""
    folder = tmp_path / "60"
    (folder / "task" / "60").mkdir(parents=True)
    (folder / "task" / "60" / "children").touch()
    (folder / "cmdline").write_bytes(b"old\0")
    (folder / "stat").write_text("60 (old) S 1 0 0 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 600 0 10\n")
    (folder / "statm").write_text("9 3 1 1 0 1 0\n")
    with closing(Observer(ProcessTree([(60, 600)], proc_root=str(tmp_path)), probes=[Rss, Pss])) as observer:
        found = {reading.name: reading for reading in observer.sample() if reading.process == "total"}
    assert found["rss"].value == 3 * os.sysconf("SC_PAGE_SIZE")
    assert found["pss"].value is None
    assert "no smaps_rollup" in str(found["pss"].why)


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


PTHREAD_EXIT = """
import ctypes, threading
threading.Thread(target=threading.Event().wait).start()
print("ready", flush=True)
ctypes.CDLL(None).pthread_exit(None)
"""


def test_a_process_whose_main_thread_ended_is_no_zombie() -> None:
    """Its other threads go on: alive, with threads and CPU, and gaps instead of zeros for what the kernel hides."""
    with subprocess.Popen([sys.executable, "-S", "-c", PTHREAD_EXIT], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        start_time = start_time_of(process.pid)
        assert start_time is not None
        with closing(Observer(ProcessTree([(process.pid, start_time)]))) as observer:
            wait_until(lambda: observer.tree.refresh()[0].state == "Z")
            found = values(observer.sample(deep=True))
            assert observer.tree.alive
        process.kill()
    assert found["threads"] == 2
    for name in ("rss", "pss", "fds", "sockets"):
        assert found[name] is None, name


def test_a_target_that_is_gone_gives_nothing(guest: Callable[[str], Guest]) -> None:
    """No zeros: a dead target has no memory use of 0."""
    one = guest("")
    with closing(Observer(ProcessTree([one.key]))) as observer:
        assert observer.sample()
        one.process.kill()
        wait_until(lambda: start_time_of(one.pid) is None)
        assert observer.sample() == []
        assert not observer.tree.alive


def test_expensive_readings_keep_to_their_share(guest: Callable[[str], Guest]) -> None:
    """A hundred samples within a thousandth of a second of run time: the memory maps are walked once, or when asked."""
    one = guest("")
    now = [1000.0]
    with closing(Observer(ProcessTree([one.key]), monotonic=lambda: now[0])) as observer:
        seen = []
        for _ in range(100):
            now[0] += 1e-5
            seen.append("pss" in values(observer.sample()))
        assert seen == [True] + [False] * 99
        assert "pss" in values(observer.sample(deep=True))
        now[0] += 60
        assert "pss" in values(observer.sample())


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to look at its own process as another user")
def test_another_users_process(guest: Callable[[str], Guest]) -> None:
    """What any user may see is had; memory maps and descriptors are refused: gaps with a reason, the count is there."""
    one = guest("")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        readings = Observer(ProcessTree([one.key])).sample(deep=True)
        found = {reading.name: (reading.value, reading.why) for reading in readings if reading.process == "total"}
        os.write(writer, json.dumps(found).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        found = json.loads(pipe.read())
    os.waitpid(child, 0)
    for name in ("rss", "threads", "fds", "children"):
        assert found[name][0] is not None, name
    for name in ("uss", "pss", "swap", "sockets", "tmp_files", "tmp_bytes"):
        assert found[name][0] is None, name
        assert "may not be read by this user" in found[name][1]
    assert not any("." in name for name in found)


def test_a_sample_is_quick(guest: Callable[[str], Guest]) -> None:
    """Below 2 ms of CPU for one process, an order of magnitude above what it takes: 0.5 % of a core at 1 s is 5 ms."""
    one = guest("")
    with closing(Observer(ProcessTree([one.key]))) as observer:
        observer.sample()
        before = time.process_time()
        for _ in range(20):
            observer.sample()
        assert (time.process_time() - before) / 20 < 2e-3
