"""Finding processes that run already."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable

import pytest

from soak_probes.find import Finder, Found, topmost
from tests.common import free_port
from tests.probes.conftest import FakeProc, Guest


def test_by_pattern_without_ourselves(guest: Callable[[str], Guest]) -> None:
    """The guest is found by its command line; whoever looks, and what started it, bears the pattern too and is not."""
    needle = f"needle-{os.getpid()}-"  # whoever runs the same test beside us has another
    one = guest(f"MARK = '{needle}'")
    stranger = Finder(own_pid=one.pid)
    assert one.pid not in {found.pid for found in stranger.by_pattern(needle)}
    # A child of this test is of the family, so look as somebody who has no part in it.
    outsider = Finder(own_pid=-1)
    assert [found.pid for found in outsider.by_pattern(needle)] == [one.pid]
    assert Finder().by_pattern(needle) == []


def test_who_listens_on_a_port(guest: Callable[[str], Guest]) -> None:
    """The listener; a client connected to the same port is not."""
    port = free_port()
    one = guest(
        f"""
        import socket
        listener = socket.create_server(("127.0.0.1", {port}))
        whole = socket.create_connection(("127.0.0.1", {port})), listener.accept()
        """
    )
    client = socket.create_connection(("127.0.0.1", port))
    found, anybody = Finder().listening(port)
    client.close()
    assert [process.pid for process in found] == [one.pid]
    assert anybody


def test_nobody_listens() -> None:
    """Port 1 is not used by anything here."""
    assert Finder().listening(1) == ([], False)


def test_by_control_group(proc: FakeProc) -> None:
    """A whole component of any group it is in, wherever in the path; a part of a name does not match."""
    groups = {
        50: "0::/system.slice/app.service\n",
        51: "0::/system.slice/app.service/worker\n",
        52: "4:memory:/system.slice/app.service\n0::/\n",  # version 1 beside version 2
        60: "0::/system.slice/app.service.d\n",
        61: "0::/system.slice/my-app.service\n",
        62: "0::/\n",  # in a control group namespace of its own
    }
    for pid, text in groups.items():
        proc.add(pid, 1, pid * 10)
        (proc.root / str(pid) / "cgroup").write_text(text)
    finder = Finder(str(proc.root), own_pid=-1)
    for name, expected in (("app.service", [50, 51, 52]), ("worker", [51]), ("app", []), ("system.slic", [])):
        assert [found.pid for found in finder.in_group(re.compile(re.escape(name)))] == expected, name


def test_by_control_group_of_this_machine() -> None:
    """This very process is found by each component of its own groups."""
    components = {name for name in Finder()._groups(os.getpid()) if name}
    if not components:
        pytest.skip("this process sees itself in the root of every control group")
    for name in components:
        assert os.getpid() in {found.pid for found in Finder().in_group(re.compile(re.escape(name)))}


def test_topmost_of_a_pre_fork_server() -> None:
    """Master and workers share the listening socket: the master is the target."""
    master, worker, other = (Found(pid, 1, ppid, ()) for pid, ppid in ((5, 1), (6, 5), (9, 1)))
    assert topmost([worker, master, other]) == [master, other]


def test_only_the_program_is_shown() -> None:
    """Arguments can hold passwords, and messages are stored."""
    assert str(Found(5, 1, 1, ("/usr/bin/app", "--password=secret"))) == "process 5 (app)"


def test_zombies_are_not_found() -> None:
    """A process that ended cannot be a target."""
    child = subprocess.Popen([sys.executable, "-S", "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert Finder().look(child.pid) is None
    child.wait()
