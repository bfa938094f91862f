"""The agent follows the process tree: forks, pre-fork servers, exec'd and spawned Pythons."""

from __future__ import annotations

import os
from collections.abc import Callable

from tests.common import wait_until

from .conftest import Guest

# A fork waits for an agent that is answering, but not for ever; here the agent gets the time that a busy machine takes.
PATIENT = "from _soak_agent import server; server.FORK_PATIENCE = 60.0"
PREFORK = f"""
import os, sys, time, warnings
{PATIENT}
warnings.simplefilter("error")  # CPython 3.12+ warns about forks in a process with threads
kept = []
def culprit():
    kept.append(os.open("/etc/hosts", os.O_RDONLY))
culprit()
workers = []
for _ in range(3):
    pid = os.fork()
    if pid == 0:
        culprit()
        while True:
            time.sleep(600)
    workers.append(pid)
print(*workers, flush=True)
sys.stdin.readline()
for pid in workers:
    os.kill(pid, 9)
    os.waitpid(pid, 0)
"""


def test_each_worker_of_a_prefork_server_answers_for_itself(launch: Callable[..., Guest], python: str) -> None:
    """Three forked workers and their parent are asked at the same time; each knows its own descriptors' birth."""
    guest = launch(PREFORK, python=python, heap="auto")
    workers = [int(word) for word in guest.line().split()]
    for pid in workers:
        hello = wait_until(lambda pid=pid: guest.client.connect(pid))
        assert isinstance(hello, dict)
        assert (hello["pid"], hello["ppid"]) == (pid, guest.pid)
        reading = guest.client.request(pid, "read")
        rows = [row for row in reading["handles"] if row["kind"] == "fd" and row["stack"]]
        born = sum(row["count"] for row in rows if row["stack"][-1][2] == "culprit")
        assert born == 2  # the inherited one and its own
        assert [row for row in reading["handles"] if row["kind"] in ("child", "thread", "tmp_file")] == []
    assert guest.handles("child") == {"<module>": 3}
    assert guest.errors() == ""


def test_the_fork_leaves_nothing_of_the_parent_agent_in_the_child(launch: Callable[..., Guest]) -> None:
    """Parent and child have one thread and the same number of descriptors of ours, none of them shared."""
    guest = launch(PREFORK)
    worker = int(guest.line().split()[0])
    parent = guest.client.connect(guest.pid)
    child = wait_until(lambda: guest.client.connect(worker))
    assert isinstance(parent, dict) and isinstance(child, dict)
    assert not set(parent["inodes"]) & set(child["inodes"])
    assert len(os.listdir(f"/proc/{worker}/task")) == 2
    links = {os.stat(f"/proc/{worker}/fd/{name}").st_ino for name in os.listdir(f"/proc/{worker}/fd")}
    assert not links & set(parent["inodes"])


def test_a_fork_in_the_middle_of_a_reading_neither_hangs_nor_breaks(launch: Callable[..., Guest], python: str) -> None:
    """Twenty forks while readings run: all children end well and the parent answers afterwards."""
    source = """
    import os, sys, time
    ballast = [[n] for n in range(200_000)]
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(20):
        pid = os.fork()
        if pid == 0:
            os._exit(7)
        assert os.waitpid(pid, 0)[1] >> 8 == 7
        time.sleep(0.01)
    print("forked", flush=True)
    sys.stdin.readline()
    """
    guest = launch(source, python=python)
    assert guest.line() == "ready"
    exchange = guest.client.begin(guest.pid, "read")
    assert guest.go() == "forked"
    wait_until(exchange.poll)
    assert guest.read()["gc_objects"] > 200_000


def test_spawned_and_executed_pythons_have_an_agent_too(launch: Callable[..., Guest], python: str) -> None:
    """A Python started by subprocess and one by multiprocessing's spawn answer under their own pid."""
    source = """
    import multiprocessing, subprocess, sys, time
    if __name__ == "__main__":
        plain = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.readline()"], stdin=subprocess.PIPE)
        spawned = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(600,), daemon=True)
        spawned.start()
        print(plain.pid, spawned.pid, flush=True)
        sys.stdin.readline()
        plain.kill(); spawned.kill()
    """
    guest = launch(source, python=python)
    for word in guest.line().split():
        hello = wait_until(lambda word=word: guest.client.connect(int(word)))
        assert isinstance(hello, dict)
        assert hello["pid"] == int(word)


def test_a_target_that_closes_every_descriptor_keeps_its_own(launch: Callable[..., Guest]) -> None:
    """Those of ours, too, that are out of the way: the numbers are the target's, we read and close nothing it opens."""
    source = """
    import os, socket, sys
    print("ready", flush=True)
    sys.stdin.readline()
    ours = [int(name) for name in os.listdir("/proc/self/fd") if int(name) > 2]
    os.closerange(3, max(ours) + 1)
    pairs = [socket.socketpair() for _ in range(6)]
    for a, b in pairs:
        a.sendall(b"for the target alone")
    for number in ours:
        if 20 < number < os.sysconf("SC_OPEN_MAX"):
            os.dup2(pairs[0][0].fileno(), number)
    import time; time.sleep(0.3)
    print(all(b.recv(100) == b"for the target alone" for a, b in pairs), flush=True)
    sys.stdin.readline()
    for a, b in pairs:
        a.close(); b.close()
    """
    guest = launch(source)
    assert guest.line() == "ready"
    assert guest.client.connect(guest.pid) is not None
    assert guest.go() == "True"
    assert guest.client.connect(guest.pid) is None
    assert guest.errors() == ""
