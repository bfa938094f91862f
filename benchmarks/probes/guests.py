"""Processes to look at."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_CODE = """
import os, resource, socket, sys
files, sockets, forks = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
kept = [open("/dev/null") for _ in range(files)] + [socket.socketpair() for _ in range(sockets // 2)]
for _ in range(forks):
    if os.fork() == 0:
        break
else:
    print("ready", flush=True)
sys.stdin.readline()
"""


@contextmanager
def guest(files: int = 20, sockets: int = 10, forks: int = 0) -> Iterator[int]:
    """The pid of a process with so many files, sockets and forked children; all end with the block."""
    command = [sys.executable, "-S", "-c", _CODE, str(files), str(sockets), str(forks)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process.pid
        finally:
            process.communicate("\n")
