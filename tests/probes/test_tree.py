"""The process tree: children, zombies, orphans, reused pids."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import closing, suppress

from soak_probes import ProcessTree, start_time_of
from tests.common import wait_until
from tests.probes.conftest import FakeProc, Guest


def test_children_and_grandchildren_are_found(guest: Callable[[str], Guest]) -> None:
    """Through two forks, with the parent's count of direct children."""
    one = guest(
        """
        import os, sys
        if os.fork() == 0:
            if os.fork() == 0:
                sys.stdin.readline(); os._exit(0)
            os.wait(); os._exit(0)
        """
    )
    with closing(ProcessTree([one.key])) as tree:
        wait_until(lambda: len(tree.refresh()) == 3)
        main, child, grandchild = tree.processes
    assert (main.pid, main.role, main.children) == (one.pid, "main", 1)
    assert (child.ppid, child.children) == (one.pid, 1)
    assert (grandchild.ppid, grandchild.children) == (child.pid, 0)


def test_a_child_of_another_thread_is_found(guest: Callable[[str], Guest]) -> None:
    """The kernel lists a child under the thread that forked it, not under the process."""
    one = guest(
        """
        import subprocess, threading
        ready = threading.Event()
        def work():
            subprocess.Popen(["sleep", "60"]); ready.set(); threading.Event().wait()
        threading.Thread(target=work, daemon=True).start()
        ready.wait()
        """
    )
    with closing(ProcessTree([one.key])) as tree:
        wait_until(lambda: [process.name for process in tree.refresh()][1:] == ["sleep"])
        os.kill(tree.processes[1].pid, signal.SIGKILL)


def test_a_zombie_stays_in_the_tree(guest: Callable[[str], Guest]) -> None:
    """A child that nobody waits for is still a child."""
    one = guest("import os\nif os.fork() == 0: os._exit(0)")
    with closing(ProcessTree([one.key])) as tree:
        wait_until(lambda: [process.state for process in tree.refresh()][1:] == ["Z"])
        assert tree.processes[0].children == 1
        assert tree.alive


def test_an_orphan_that_left_the_tree_is_followed(guest: Callable[[str], Guest]) -> None:
    """Its parent is gone and init has it, but it was seen before: it stays, as an orphan."""
    one = guest(
        """
        import os, sys
        outer = os.fork()
        if outer == 0:
            inner = os.fork()
            if inner == 0:
                os.setsid(); sys.stdin.readline(); os._exit(0)
            import signal; signal.pause()
        print(outer)
        """
    )
    with closing(ProcessTree([one.key])) as tree:
        wait_until(lambda: len(tree.refresh()) == 3)
        outer = int(one.said[0])
        orphan = next(process.key for process in tree.processes if process.ppid == outer)
        os.kill(outer, signal.SIGKILL)
        wait_until(lambda: start_time_of(outer) is None)
        found = {process.key: process.role for process in tree.refresh()}
    assert found[orphan] == "orphan"


def test_children_of_the_reaper_are_orphans(proc: FakeProc) -> None:
    """Daemonised before the first look: its parent is the reaper, which itself is no part of the target."""
    proc.add(50, 1, 100, children="60 70 ")
    proc.add(60, 50, 200)
    proc.add(70, 50, 300)
    with closing(ProcessTree([(60, 200)], proc_root=str(proc.root), reaper_pid=50)) as tree:
        assert [(process.pid, process.role) for process in tree.refresh()] == [(60, "main"), (70, "orphan")]


def test_a_reused_pid_is_not_the_process(proc: FakeProc) -> None:
    """Same number, later start: the root is gone, and the stranger with its number is not looked at."""
    proc.add(60, 1, 200)
    with closing(proc.tree(60, 200)) as tree:
        assert [process.key for process in tree.refresh()] == [(60, 200)]
        proc.add(60, 1, 999)
        assert tree.refresh() == []
        assert not tree.alive


def test_a_reused_pid_of_a_child_is_another_process(proc: FakeProc) -> None:
    """The parent has a new child that got the old one's number: both are known by their start times."""
    proc.add(60, 1, 200, children="61 ")
    proc.add(61, 60, 300)
    with closing(proc.tree(60, 200)) as tree:
        assert {process.key for process in tree.refresh()} == {(60, 200), (61, 300)}
        proc.add(61, 60, 400)
        assert {process.key for process in tree.refresh()} == {(60, 200), (61, 400)}


def test_many_threads_are_looked_over_by_parent(proc: FakeProc) -> None:
    """With 500 threads there would be 500 files to read: the machine's processes are looked through instead."""
    proc.add(60, 1, 200, children="", threads=500)
    proc.add(61, 60, 300)
    proc.add(62, 61, 400)
    proc.add(99, 1, 500)
    with closing(proc.tree(60, 200)) as tree:
        assert [process.pid for process in tree.refresh()] == [60, 61, 62]


def test_other_threads_are_asked_within_a_share_of_a_core(proc: FakeProc) -> None:
    """The main thread's children are found at every look; another thread's when due, or when asked to be thorough."""
    now = [0.0]
    proc.add(60, 1, 200, children="61 ", threads=2)
    proc.add(61, 60, 300)
    other = proc.root / "60" / "task" / "99"
    other.mkdir()
    (other / "children").write_text("")
    with closing(ProcessTree([(60, 200)], proc_root=str(proc.root), monotonic=lambda: now[0])) as tree:
        assert [process.pid for process in tree.refresh()] == [60, 61]
        proc.add(62, 60, 400)
        proc.add(63, 60, 400)
        (other / "children").write_text("62 ")
        (proc.root / "60" / "task" / "60" / "children").write_text("61 63 ")
        assert [process.pid for process in tree.refresh()] == [60, 61, 63]
        assert [process.pid for process in tree.refresh(thorough=True)] == [60, 61, 62, 63]
        proc.add(64, 60, 500)
        (other / "children").write_text("62 64 ")
        now[0] += 10.0
        assert 64 in [process.pid for process in tree.refresh()]


def test_a_kernel_without_children_files(proc: FakeProc) -> None:
    """CONFIG_PROC_CHILDREN is not everywhere: the machine's processes are looked through by parent."""
    for pid, ppid in ((60, 1), (61, 60), (62, 61)):
        proc.add(pid, ppid, pid * 10)
        (proc.root / str(pid) / "task" / str(pid) / "children").unlink()
    with closing(proc.tree(60, 600)) as tree:
        assert [process.pid for process in tree.refresh()] == [60, 61, 62]


def test_roots_only(proc: FakeProc) -> None:
    """target.children = false."""
    proc.add(60, 1, 200, children="61 ")
    proc.add(61, 60, 300)
    with closing(ProcessTree([(60, 200)], proc_root=str(proc.root), follow=False)) as tree:
        assert [process.pid for process in tree.refresh()] == [60]


def test_members_of_a_control_group_belong_to_it(proc: FakeProc) -> None:
    """A process that nobody's parent leads to, but that the group lists."""
    proc.add(60, 1, 200)
    proc.add(80, 1, 300)
    with closing(ProcessTree([(60, 200)], proc_root=str(proc.root), members=lambda: [60, 80])) as tree:
        assert [(process.pid, process.role) for process in tree.refresh()] == [(60, "main"), (80, "orphan")]


def test_rebase_forgets_the_old_target(proc: FakeProc) -> None:
    """After a restart the old one's processes are nobody's, even while they live."""
    proc.add(60, 1, 200)
    proc.add(61, 1, 300)
    with closing(proc.tree(60, 200)) as tree:
        tree.refresh()
        tree.rebase([(61, 300)])
        assert [process.pid for process in tree.refresh()] == [61]


def test_rebase_takes_another_reaper(proc: FakeProc) -> None:
    """The old warden was killed and a new one started: orphans come to the new one."""
    for reaper, root, orphan in ((50, 60, 70), (51, 61, 71)):
        proc.add(reaper, 1, reaper * 10, children=f"{root} {orphan} ")
        proc.add(root, reaper, root * 10)
        proc.add(orphan, reaper, orphan * 10)
    with closing(ProcessTree([(60, 600)], proc_root=str(proc.root), reaper_pid=50)) as tree:
        assert [process.pid for process in tree.refresh()] == [60, 70]
        tree.rebase([(61, 610)], reaper_pid=51)
        assert [process.pid for process in tree.refresh()] == [61, 71]


def test_a_tree_gives_its_descriptors_back(guest: Callable[[str], Guest]) -> None:
    """Files of processes that ended are closed: a soak over children that come and go must not run out of them."""
    one = guest("")
    with closing(ProcessTree([one.key])) as tree:
        tree.refresh()
        assert held_of(one.pid)
        one.process.kill()
        one.process.communicate()
        assert tree.refresh() == []
        assert held_of(one.pid) == []


def held_of(pid: int) -> list[str]:
    """What this process has open of another's folder in /proc."""
    links = []
    for number in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the listing's own, and what another thread closes meanwhile
            links.append(os.readlink(f"/proc/self/fd/{number}"))
    return [link for link in links if f"{link}/".startswith(f"/proc/{pid}/")]


def test_forked_workers_are_told_from_children(guest: Callable[[str], Guest]) -> None:
    """Forked without exec: a worker. Exec of something else: a child."""
    one = guest(
        """
        import os, subprocess, sys
        if os.fork() == 0:
            sys.stdin.readline(); os._exit(0)
        subprocess.Popen(["cat"], stdin=0)
        """
    )
    with closing(ProcessTree([one.key])) as tree:
        wait_until(lambda: sorted(p.role for p in tree.refresh()) == ["child", "main", "worker"])
        assert {process.name: process.role for process in tree.processes}["cat"] == "child"
