"""What the kernel says of this process in /proc/self: descriptors, TCP states, children."""

from __future__ import annotations

import os

from .stdlib import read_file

STATES = ("", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE", "CLOSE_WAIT",
          "LAST_ACK", "LISTEN", "CLOSING")  # fmt: skip


def inode_of(link: str) -> int:
    """The number in `socket:[…]` or `pipe:[…]`, else -1."""
    return int(link[link.index("[") + 1 : -1]) if link.startswith(("socket:[", "pipe:[")) else -1


def sort_of(link: str) -> str:
    """file, device, pty, pipe, eventpoll, ... from what a descriptor links to."""
    if link.startswith("/"):
        if link.startswith(("/dev/pts/", "/dev/ptmx")):
            return "pty"
        return "device" if link.startswith("/dev/") else "file"
    return link[link.find("[") + 1 : -1] if link.startswith("anon_inode:[") else link.partition(":")[0]


def size_of(path: str) -> int | None:
    """Bytes of a file that exists, None of one that does not."""
    try:
        return os.lstat(path).st_size
    except OSError:
        return None


def _read(path: str) -> bytes:
    """The whole file; empty when it is gone or refused."""
    try:
        return read_file(path)
    except OSError:
        return b""


def tcp_states() -> dict[int, str]:
    """Inode to TCP state, from /proc/self/net."""
    found: dict[int, str] = {}
    for table in ("tcp", "tcp6"):
        for line in _read(f"/proc/self/net/{table}").splitlines()[1:]:
            fields = line.split()
            number = int(fields[3], 16)
            found[int(fields[9])] = STATES[number] if number < len(STATES) else ""
    return found


def own_children() -> list[tuple[int, str, str, int]]:
    """(pid, name, state, start in ticks since boot) of each child, zombies included."""
    pids: set[int] = set()
    for thread in os.listdir("/proc/self/task"):
        pids.update(map(int, _read(f"/proc/self/task/{thread}/children").split()))
    found = []
    for pid in sorted(pids):
        head, _, tail = _read(f"/proc/{pid}/stat").decode(errors="replace").rpartition(")")
        fields = tail.split()
        if len(fields) > 19:
            found.append((pid, head.partition("(")[2], fields[0], int(fields[19])))
    return found
