"""The numbers of descriptors in the target are what they are without us, and so are its limits."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from soak_agent import numbers
from tests.common import wait_until

from .conftest import Guest

# What a child of its own says under a limit of 700: its limits, what it has open below, what it opens next.
CHILD = """
import os, resource, sys
def is_open(number):
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
print(soft, hard, [number for number in range(soft) if is_open(number)], os.open("/etc/hosts", os.O_RDONLY), flush=True)
"""
LIMITED = f"""
import resource, subprocess, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (700, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
print(subprocess.run([sys.executable, "-c", {CHILD!r}], capture_output=True, text=True).stdout, end="", flush=True)
sys.stdin.readline()
"""


def numbers_of(guest: Guest, inodes: set[int]) -> list[int]:
    """Under which descriptors of the target these are open."""
    found = []
    for name in os.listdir(f"/proc/{guest.pid}/fd"):
        with suppress(FileNotFoundError):  # closed meanwhile
            if os.stat(f"/proc/{guest.pid}/fd/{name}").st_ino in inodes:
                found.append(int(name))
    return found


def test_a_child_that_counts_its_descriptors_finds_its_own_alone(launch: Callable[..., Guest], python: str) -> None:
    """Its limits and all numbers under the soft one are as without the agent, which is in it."""
    guest = launch(LIMITED, python=python)
    said = guest.line()
    assert said == launch(LIMITED, python=python, agent=False).line(), guest.errors()
    assert said == f"700 {resource.getrlimit(resource.RLIMIT_NOFILE)[1]} [0, 1, 2] 3"


# The same where nothing can be above the limit; again if the machine stood still until the agent had opened its socket.
# Then one that forks at once, and stays.
EQUAL = f"""
import os, resource, subprocess, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (700, 700))
code = {CHILD!r} + "print(sys.modules['_soak_agent.agent']._agent.server.opened)"
late = True
while late:
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.splitlines()
    late = said[1] == "True"
print(said[0], flush=True)
code = "import os, sys; os.write(1, b'%d%c' % (os.fork() or os.getpid(), 10)); sys.stdin.readline()"
subprocess.run([sys.executable, "-W", "ignore", "-c", code])
"""


def test_a_child_under_a_hard_limit_has_none_of_ours_at_first(launch: Callable[..., Guest], python: str) -> None:
    """It finds its own alone, and so does its own child; both answer when they have been there for some time."""
    guest = launch(EQUAL, python=python)
    assert guest.line() == "700 700 [0, 1, 2] 3", guest.errors()
    for word in (guest.line(), guest.line()):
        wait_until(partial(guest.client.connect, int(word)))
    assert guest.errors() == ""


def test_the_next_number_is_the_lowest_also_while_somebody_asks(launch: Callable[..., Guest], python: str) -> None:
    """Numbers 3 and 4 are the target's own, 5 is its forked child's; all of ours are out of the way."""
    source = """
    import os, sys
    print("ready", flush=True)
    sys.stdin.readline()
    mine = [os.open("/etc/hosts", os.O_RDONLY) for _ in range(2)]
    pid = os.fork()
    if not pid:
        os.write(1, f"{mine} {os.dup(0)}\\n".encode())
        os._exit(0)
    os.waitpid(pid, 0)
    sys.stdin.readline()
    """
    guest = launch(source, python=python)
    assert guest.line() == "ready"
    hello = guest.client.connect(guest.pid)
    assert hello is not None
    assert guest.go() == "[3, 4] 5"
    ours = numbers_of(guest, set(hello["inodes"]))
    assert len(ours) == 4  # the socket, the connection, two ends of a pipe
    assert min(ours) >= min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], numbers.HIGH + numbers.ROOM) - numbers.ROOM


def test_a_process_with_threads_keeps_its_limit_all_the_time(launch: Callable[..., Guest], python: str) -> None:
    """Started beside another thread, the agent does not touch the limit: a fork would hand it on."""
    source = """
    import resource, sys, threading
    from _soak_agent import agent
    sys.path.append(agent.__file__.rpartition("/")[0].rpartition("/")[0])
    import soak_agent
    folder = agent.directory()
    agent._agent.detach({})
    resource.setrlimit(resource.RLIMIT_NOFILE, (700, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    changed = []
    sys.addaudithook(lambda event, args: changed.append(args) if event == "resource.setrlimit" else None)
    threading.Thread(target=sys.stdin.read, daemon=True).start()
    print(soak_agent.start(folder, heap="off"), changed, flush=True)
    threading.Event().wait()
    """
    guest = launch(source, python=python)
    assert guest.line() == "True []", guest.errors()
    hello = guest.client.connect(guest.pid)
    assert hello is not None
    ours = numbers_of(guest, set(hello["inodes"]))
    assert len(ours) == 4
    assert 700 - numbers.ROOM <= min(ours) <= max(ours) < 700
