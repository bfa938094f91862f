"""Socket states by inode: sock_diag over netlink, and /proc/PID/net for what lives in another network namespace.

sock_diag(7) answers in binary and leaves out what is not asked for; /proc/net/tcp formats every socket of the machine
as text while it holds the table's locks.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

from soak_probes.parse import TCP_STATES, parse_net_table, parse_net_unix
from soak_probes.procfs import ProcFiles
from soak_probes.reading import ProcessGone, Refused

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_ROOT | NLM_F_MATCH
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_HEADER = struct.Struct("=IHHII")
_INET_MESSAGE_INODE = 68  # offset in struct inet_diag_msg
# Everything but TIME_WAIT (6) and the request sockets (3, 12): those belong to the kernel and have no inode.
_STATES = 0xFFFFFFFF & ~(1 << 6 | 1 << 3 | 1 << 12)


class SocketStates:
    """What every socket of a network namespace is: an inode's TCP state, or `udp`, or `unix`."""

    def __init__(self) -> None:
        """Nothing is opened before the first look."""
        self._netlink: socket.socket | None = None
        self._namespace = _own_namespace()

    def close(self) -> None:
        """Close the netlink socket."""
        if self._netlink is not None:
            self._netlink.close()
            self._netlink = None

    def of_namespace(self, files: ProcFiles) -> str:
        """The network namespace of a process; our own if it may not be read."""
        try:
            return files.link("ns/net")
        except (Refused, ProcessGone):
            return self._namespace

    def look(self, files: ProcFiles) -> dict[int, str]:
        """inode -> state name for the network namespace of this process. Refused if neither way is open."""
        if self.of_namespace(files) == self._namespace:
            with contextlib.suppress(OSError):
                return self._by_netlink()
        return by_tables(files)

    def _by_netlink(self) -> dict[int, str]:
        found: dict[int, str] = {}
        for inode in self._dump(struct.pack("=BBHIIIII", socket.AF_UNIX, 0, 0, 0xFFFFFFFF, 0, 0, 0, 0)):
            found[_unix_inode(inode)] = "unix"
        for family in (socket.AF_INET, socket.AF_INET6):
            for message in self._dump(_inet_request(family, socket.IPPROTO_UDP)):
                found[_inet_inode(message)] = "udp"
            for message in self._dump(_inet_request(family, socket.IPPROTO_TCP)):
                found[_inet_inode(message)] = TCP_STATES.get(message[1], "other")
        found.pop(0, None)
        return found

    def _dump(self, request: bytes) -> Iterator[bytes]:
        """Ask for a dump and give its messages, each without its netlink header. OSError if the kernel refuses."""
        if self._netlink is None:
            self._netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG)
            self._netlink.settimeout(1.0)
        self._netlink.send(_HEADER.pack(_HEADER.size + len(request), _SOCK_DIAG_BY_FAMILY, _DUMP, 0, 0) + request)
        while True:
            data = self._netlink.recv(1 << 17)
            for kind, message in split_messages(data):
                if kind == _NLMSG_DONE:
                    return
                if kind == _NLMSG_ERROR:
                    number = -struct.unpack_from("=i", message)[0]
                    raise OSError(number, os.strerror(number))
                yield message


def split_messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, payload) of every netlink message in a datagram; they are aligned to four bytes."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, *_ = _HEADER.unpack_from(data, offset)
        if length < _HEADER.size:
            return
        yield kind, data[offset + _HEADER.size : offset + length]
        offset += (length + 3) & ~3


def by_tables(files: ProcFiles) -> dict[int, str]:
    """The same from the text tables below /proc/PID/net."""
    found: dict[int, str] = dict.fromkeys(parse_net_unix(files.read("net/unix")), "unix")
    for table in ("udp", "udp6", "tcp", "tcp6"):
        with contextlib.suppress(ProcessGone):  # without IPv6 the second table is missing
            for inode, state in parse_net_table(files.read(f"net/{table}")).items():
                found[inode] = "udp" if table.startswith("udp") else TCP_STATES.get(state, "other")
    return found


def _inet_request(family: int, protocol: int) -> bytes:
    return struct.pack("=BBBBI48x", family, protocol, 0, 0, _STATES)


def _inet_inode(message: bytes) -> int:
    inode: int = struct.unpack_from("=I", message, _INET_MESSAGE_INODE)[0]
    return inode


def _unix_inode(message: bytes) -> int:
    inode: int = struct.unpack_from("=I", message, 4)[0]
    return inode


def _own_namespace() -> str:
    try:
        return str(Path("/proc/self/ns/net").readlink())
    except OSError:
        return ""
