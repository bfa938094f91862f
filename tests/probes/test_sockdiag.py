"""Socket states over netlink and from the text tables."""

from __future__ import annotations

import os
import socket
import struct
from contextlib import closing

import pytest

from soak_probes.procfs import ProcFiles
from soak_probes.sockdiag import SocketStates, by_tables, split_messages


def test_netlink_and_tables_agree() -> None:
    """Both ways tell the same of a listener, a half-closed connection, UDP and Unix sockets."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
        left, right = socket.socketpair()
        client.close()
        assert server.recv(1) == b""  # the end of the connection has arrived
        with closing(ProcFiles(os.getpid())) as files, closing(SocketStates()) as states:
            netlink, tables = states.look(files), by_tables(files)
        expected = {listener: "listen", server: "close_wait", udp: "udp", left: "unix", right: "unix"}
        for one, state in expected.items():
            inode = os.fstat(one.fileno()).st_ino
            assert netlink[inode] == tables[inode] == state
        for one in (server, left, right):
            one.close()


def test_another_network_namespace_is_read_from_its_tables() -> None:
    """Its inodes are not in ours: the process's own /proc/PID/net is read."""
    states = SocketStates()
    states._namespace = "net:[1]"
    with socket.create_server(("127.0.0.1", 0)) as listener, closing(ProcFiles(os.getpid())) as files:
        assert states.look(files)[os.fstat(listener.fileno()).st_ino] == "listen"
    assert states._netlink is None


def test_messages_are_aligned_to_four_bytes() -> None:
    """A message of 18 bytes is followed by two of padding; rubbish at the end is no message."""
    first = struct.pack("=IHHII", 18, 20, 0, 0, 0) + b"ab" + b"\0\0"
    second = struct.pack("=IHHII", 16, 3, 0, 0, 0)
    assert list(split_messages(first + second + b"\1\0")) == [(20, b"ab"), (3, b"")]


def test_a_message_without_length_ends_the_reading() -> None:
    """Length 0 would otherwise be read for ever."""
    assert list(split_messages(bytes(32))) == []


@pytest.mark.parametrize("count", [200])
def test_a_dump_in_many_parts(count: int) -> None:
    """More sockets than fit into one answer."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    with closing(ProcFiles(os.getpid())) as files, closing(SocketStates()) as states:
        found = states.look(files)
    assert all(found[os.fstat(one.fileno()).st_ino] == "listen" for one in sockets)
    for one in sockets:
        one.close()
