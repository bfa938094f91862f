"""What a sample cannot have: gaps with their reasons, and what is left out because it is dear or soon over."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from soak_probes import Observer, ProcessTree, Reading, start_time_of
from soak_probes.probes.base import Probe, Values
from soak_probes.probes.pss import Pss
from soak_probes.probes.rss import Rss
from soak_probes.reading import Refused
from soak_probes.view import View
from tests.common import wait_until
from tests.probes.conftest import FORK, FakeProc, Guest, values


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
    """In microseconds, no more than the whole sample took; a total costs what its parts cost."""
    began = time.perf_counter()
    readings = _sample(guest, [Rss])
    total, parts = readings[0], readings[1:]
    assert total.cost_us == pytest.approx(sum(part.cost_us for part in parts))
    assert all(part.cost_us > 0 for part in parts) and total.cost_us < (time.perf_counter() - began) * 1e6


def test_details_can_be_left_out(guest: Callable[[str], Guest]) -> None:
    """Then there are totals only."""
    one = guest("")
    with closing(Observer(ProcessTree([one.key]))) as observer:
        assert {reading.process for reading in observer.sample(details=False)} == {"total"}


def test_helpers_that_come_and_go_have_no_series(proc: FakeProc) -> None:
    """A child counts in the totals at once; its own series begin when it was there at three looks."""
    proc.add(60, 1, 600, children="61 62 ")
    proc.add(61, 60, 610)
    proc.add(62, 60, 620)
    for pid in (60, 61, 62):
        (proc.root / str(pid) / "statm").write_text("9 3 1 1 0 1 0\n")
    with closing(Observer(proc.tree(60, 600), probes=[Rss])) as observer:
        samples = [observer.sample() for _ in range(3)]
    assert [values(sample)["rss"] for sample in samples] == [3 * 3 * os.sysconf("SC_PAGE_SIZE")] * 3
    alone = ["total", "60:main"]
    assert [[reading.process for reading in sample] for sample in samples] == [
        alone,
        alone,
        [*alone, "61:child", "62:child"],
    ]


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
        try:
            process.stdout.readline()
            start_time = start_time_of(process.pid)
            assert start_time is not None
            with closing(Observer(ProcessTree([(process.pid, start_time)]))) as observer:
                wait_until(lambda: observer.tree.refresh()[0].state == "Z")
                found = values(observer.sample(deep=True))
                assert observer.tree.alive
        finally:
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


LOOK_AS_NOBODY = """
import json, os, sys
from soak_probes import Observer, ProcessTree, start_time_of
me = os.getpid()
Observer(ProcessTree([(me, start_time_of(me))])).sample(deep=True)  # imports everything while it may
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
readings = Observer(ProcessTree([(int(sys.argv[1]), int(sys.argv[2]))])).sample(deep=True)
print(json.dumps({reading.name: (reading.value, reading.why) for reading in readings if reading.process == "total"}))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to look as another user")
def test_another_users_process(guest: Callable[[str], Guest]) -> None:
    """What any user may see is had; memory maps and descriptors are refused: gaps with a reason, the count is there."""
    one = guest("")
    command = [sys.executable, "-c", LOOK_AS_NOBODY, *map(str, one.key)]
    found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    for name in ("rss", "threads", "fds", "children"):
        assert found[name][0] is not None, name
    for name in ("uss", "pss", "swap", "sockets", "tmp_files", "tmp_bytes"):
        assert found[name][0] is None, name
        assert "may not be read by this user" in found[name][1]
    assert not any("." in name for name in found)


LARGE = """
import mmap, os, resource
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
kept = [os.dup(0) for _ in range(4000)], [mmap.mmap(-1, mmap.PAGESIZE) for _ in range(4000)]
"""


def test_a_sample_is_quick(guest: Callable[[str], Guest]) -> None:
    """With nothing dear due it takes less CPU than to read stat and statm a hundred times, however large the target is.

    The best of twenty of each: it is a third of that, and to list 4,000 descriptors or mappings is several times that.
    """
    one = guest(LARGE)
    with closing(Observer(ProcessTree([one.key]), monotonic=lambda: 1000.0)) as observer, ExitStack() as opened:
        files = [opened.enter_context(open(f"/proc/{one.pid}/{name}", "rb")) for name in ("stat", "statm")]
        plain = [(file.fileno(), 4096, 0) for file in files] * 100
        assert values(observer.sample(deep=True))["fds"] == 4003
        sampled = min(cpu_of(observer.sample) for _ in range(20))
        assert sampled < min(cpu_of(lambda: [os.pread(*where) for where in plain]) for _ in range(20))


def cpu_of(act: Callable[[], object]) -> float:
    """Seconds of CPU that it takes."""
    before = time.thread_time()
    act()
    return time.thread_time() - before
