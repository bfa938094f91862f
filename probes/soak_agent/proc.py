"""What the kernel says of this process in /proc/self: descriptors, TCP states, children."""

from __future__ import annotations

import os

from .stdlib import read_file

STATES = ("", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE", "CLOSE_WAIT",
          "LAST_ACK", "LISTEN", "CLOSING")  # fmt: skip
WARDEN = b"/soak/launch/warden.py"
ANCESTORS = 8  # looked at for the warden: a worker's master's shell


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
    except (OSError, ValueError):
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


Child = tuple[int, str, str, int]  # pid, name, state, start in ticks since boot


def own_children() -> list[Child]:
    """Each child of this process, zombies included."""
    return _children_of("self")


def orphans() -> list[Child]:
    """What left the target's tree and was taken in by the process that soak starts targets from; else nothing."""
    warden, pid = "", os.getppid()
    for _ in range(ANCESTORS):
        if any(word.endswith(WARDEN) for word in _read(f"/proc/{pid}/cmdline").split(b"\0")):
            warden = str(pid)
            break
        fields = _fields(pid)
        if fields is None or pid <= 1:
            break
        pid = int(fields[1][1])
    return [child for child in _children_of(warden) if child[0] != os.getpid()] if warden else []


def _children_of(pid: str) -> list[Child]:
    pids: set[int] = set()
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    for thread in threads:
        pids.update(map(int, _read(f"/proc/{pid}/task/{thread}/children").split()))
    found = []
    for child in sorted(pids):
        facts = _fields(child)
        if facts is not None:
            found.append((child, facts[0], facts[1][0], int(facts[1][19])))
    return found


def _fields(pid: int) -> tuple[str, list[str]] | None:
    """(name, fields from the state on) of /proc/PID/stat; None when it is gone."""
    head, _, tail = _read(f"/proc/{pid}/stat").decode(errors="replace").rpartition(")")
    fields = tail.split()
    return (head.partition("(")[2], fields) if len(fields) > 19 else None
