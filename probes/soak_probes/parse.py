"""Pure parsers of /proc: bytes in, numbers out; nothing here opens a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

KIB = 1024


@dataclass(frozen=True, slots=True)
class Stat:
    """The fields of /proc/PID/stat that are used (proc_pid_stat(5)); `start_time` and `cpu_ticks` in clock ticks."""

    pid: int
    comm: str
    state: str
    ppid: int
    session: int
    cpu_ticks: int
    threads: int
    start_time: int

    @property
    def dead(self) -> bool:
        """A zombie, or on its way out: it has no memory and no descriptors any more."""
        return self.state in "ZXx" and self.threads <= 1

    @property
    def leaderless(self) -> bool:
        """Its main thread has ended and others go on: it lives, but /proc/PID shows neither memory nor descriptors."""
        return self.state in "ZXx" and self.threads > 1


def parse_stat(data: bytes) -> Stat:
    """Parse /proc/PID/stat; the *last* bracket ends the name, which may hold brackets. ValueError if it is none."""
    opening, closing = data.index(b"("), data.rindex(b")")
    rest = data[closing + 2 :].split()
    if len(rest) < 20:
        raise ValueError(f"{len(rest)} fields after the name, expected 20 or more")
    return Stat(
        pid=int(data[:opening]),
        comm=data[opening + 1 : closing].decode(errors="replace"),
        state=rest[0].decode(),
        ppid=int(rest[1]),
        session=int(rest[3]),
        cpu_ticks=int(rest[11]) + int(rest[12]),
        threads=int(rest[17]),
        start_time=int(rest[19]),
    )


def parse_statm_rss(data: bytes) -> int:
    """Resident pages, the second field of /proc/PID/statm."""
    return int(data.split(maxsplit=2)[1])


@dataclass(frozen=True, slots=True)
class Rollup:
    """What /proc/PID/smaps_rollup adds up, in bytes."""

    uss: int
    pss: int
    swap: int


def parse_rollup(data: bytes) -> Rollup:
    """Parse smaps_rollup: uss is what is private, huge pages too; swap is divided like pss, so that it adds up."""
    sizes = _kib_fields(data)
    private = ("Private_Clean", "Private_Dirty", "Private_Hugetlb")
    return Rollup(
        uss=sum(sizes.get(name, 0) for name in private) * KIB,
        pss=sizes["Pss"] * KIB,
        swap=sizes.get("SwapPss", sizes.get("Swap", 0)) * KIB,
    )


def _kib_fields(data: bytes) -> Mapping[str, int]:
    fields: dict[str, int] = {}
    for line in data.splitlines():
        name, _, rest = line.partition(b":")
        if rest.endswith(b" kB"):
            fields[name.decode()] = int(rest[:-3])
    return fields


def parse_cmdline(data: bytes) -> tuple[str, ...]:
    """The arguments of /proc/PID/cmdline. A program that rewrote its title has it in one argument, padded with NULs."""
    return tuple(part.decode(errors="replace") for part in data.rstrip(b"\0").split(b"\0")) if data.strip(b"\0") else ()


def parse_environ(data: bytes) -> dict[str, str]:
    """The variables of /proc/PID/environ as they were at exec."""
    pairs = (entry.partition(b"=") for entry in data.split(b"\0") if b"=" in entry)
    return {name.decode(errors="replace"): value.decode(errors="replace") for name, _, value in pairs}


def parse_pids(data: bytes) -> tuple[int, ...]:
    """The process ids of a task/TID/children or a cgroup.procs file."""
    return tuple(int(word) for word in data.split())


_ANONYMOUS = {"eventpoll", "eventfd", "inotify", "timerfd", "signalfd", "pidfd", "fanotify", "io_uring", "userfaultfd"}


def fd_kind(link: str) -> str:
    """The kind of a descriptor from what its /proc/PID/fd link points to: file, socket, pipe, pty, eventpoll, …"""
    if link.startswith("/"):
        return _path_kind(link)
    kind, _, rest = link.partition(":")
    if kind == "anon_inode":
        name = rest.strip("[]")
        return name if name in _ANONYMOUS else "anon"
    return kind if kind in ("socket", "pipe") else "other"


def _path_kind(path: str) -> str:
    if path.startswith(("/dev/pts/", "/dev/ptmx", "/dev/tty")):
        return "pty"
    if path.startswith("/dev/") and path.split("/")[2] not in ("shm", "mqueue"):
        return "device"
    return "memfd" if path.startswith("/memfd:") else "file"


def link_inode(link: str) -> int | None:
    """The inode in a link like `socket:[123]` or `pipe:[123]`; None for anything else."""
    opening = link.find(":[")
    number = link[opening + 2 : -1]
    return int(number) if opening > 0 and number.isdigit() else None


# include/net/tcp_states.h; both sock_diag and /proc/net/tcp use these numbers.
TCP_STATES: Mapping[int, str] = {
    1: "established",
    2: "syn_sent",
    3: "syn_recv",
    4: "fin_wait1",
    5: "fin_wait2",
    6: "time_wait",
    7: "close",
    8: "close_wait",
    9: "last_ack",
    10: "listen",
    11: "closing",
    12: "syn_recv",
}


def parse_net_table(data: bytes) -> dict[int, int]:
    """inode -> state number of a /proc/PID/net/tcp, tcp6, udp or udp6 table; entries without an inode are left out."""
    states: dict[int, int] = {}
    for line in data.splitlines()[1:]:
        words = line.split()
        if len(words) > 9 and words[9] != b"0":
            states[int(words[9])] = int(words[3], 16)
    return states


def parse_net_unix(data: bytes) -> frozenset[int]:
    """The inodes of a /proc/PID/net/unix table."""
    rows = (line.split() for line in data.splitlines()[1:])
    return frozenset(int(words[6]) for words in rows if len(words) > 6)


def parse_listeners(data: bytes, port: int) -> frozenset[int]:
    """The inodes of the sockets that listen on a port, from a /proc/PID/net/tcp or tcp6 table."""
    rows = (line.split() for line in data.splitlines()[1:])
    listening = (row for row in rows if len(row) > 9 and row[3] == b"0A")
    return frozenset(int(row[9]) for row in listening if int(row[1].rpartition(b":")[2], 16) == port)
