"""Parsers of /proc, by table."""

from __future__ import annotations

import pytest

from soak_probes.parse import (
    fd_kind,
    link_inode,
    parse_cmdline,
    parse_environ,
    parse_listeners,
    parse_net_table,
    parse_net_unix,
    parse_pids,
    parse_rollup,
    parse_stat,
    parse_statm_rss,
)

STAT = (
    b"4321 (%s) S 17 4321 4300 0 -1 4194304 100 200 3 4 250 50 9 8 20 0 7 0 987654 123456789 2500 "
    b"18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
)


@pytest.mark.parametrize("name", [b"python3", b"a b", b"x) S 1 (y", b"()", b"\xff\xfe"])
def test_stat_survives_any_process_name(name: bytes) -> None:
    """A program may call itself anything, brackets and spaces included: the fields after it stay where they are."""
    stat = parse_stat(STAT % name)
    assert (stat.pid, stat.ppid, stat.session, stat.state) == (4321, 17, 4300, "S")
    assert (stat.cpu_ticks, stat.threads, stat.start_time) == (250 + 50, 7, 987654)
    assert stat.comm == name.decode(errors="replace")


@pytest.mark.parametrize(("state", "dead"), [("S", False), ("R", False), ("Z", True), ("X", True), ("T", False)])
def test_zombies_are_told_apart(state: str, dead: bool) -> None:
    """A zombie has neither memory nor descriptors to read; a stopped process has."""
    assert parse_stat((STAT % b"p").replace(b") S", f") {state}".encode()).replace(b"0 7 0", b"0 1 0")).dead is dead


def test_a_zombie_with_threads_lives() -> None:
    """Its main thread has ended before the others: the state is that of the main thread alone."""
    stat = parse_stat((STAT % b"p").replace(b") S", b") Z"))
    assert (stat.threads, stat.dead, stat.leaderless) == (7, False, True)


@pytest.mark.parametrize("data", [b"", b"1 (x", b"1 (x) S 1"])
def test_a_torn_stat_is_refused(data: bytes) -> None:
    """Half a line must not become half a truth."""
    with pytest.raises(ValueError):
        parse_stat(data)


def test_statm_second_field_is_resident() -> None:
    """Fields of statm: size, resident, shared, …; all in pages."""
    assert parse_statm_rss(b"9999 1234 500 1 0 800 0\n") == 1234


def test_rollup_adds_private_pages_and_huge_ones() -> None:
    """uss is private clean + dirty + hugetlb: 100 + 200 + 2048 KiB; swap is the share, not the whole."""
    rollup = parse_rollup(
        b"557b-7ffc ---p 00000000 00:00 0  [rollup]\nRss: 9000 kB\nPss:             700 kB\nPss_Dirty: 1 kB\n"
        b"Private_Clean: 100 kB\nPrivate_Dirty: 200 kB\nPrivate_Hugetlb: 2048 kB\nSwap: 64 kB\nSwapPss: 32 kB\n"
    )
    assert (rollup.uss, rollup.pss, rollup.swap) == ((100 + 200 + 2048) * 1024, 700 * 1024, 32 * 1024)


def test_rollup_without_swappss_takes_swap() -> None:
    """Kernels before 4.13 have Swap only."""
    assert parse_rollup(b"Pss: 1 kB\nSwap: 8 kB\n").swap == 8 * 1024


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"python\0-m\0app\0", ("python", "-m", "app")),
        (b"gunicorn: worker [app]\0\0\0\0\0", ("gunicorn: worker [app]",)),
        (b"sh\0-c\0\0", ("sh", "-c")),
        (b"", ()),
    ],
)
def test_cmdline(data: bytes, expected: tuple[str, ...]) -> None:
    """Arguments end with NUL; a rewritten title is one argument with padding; a kernel thread has none."""
    assert parse_cmdline(data) == expected


def test_environ_keeps_equals_signs_in_values() -> None:
    """Only the first = separates."""
    assert parse_environ(b"A=1\0B=x=y\0broken\0") == {"A": "1", "B": "x=y"}


def test_children_file() -> None:
    """Space-separated with a space at the end, or empty."""
    assert parse_pids(b"12 345 ") == (12, 345)
    assert parse_pids(b"") == ()


@pytest.mark.parametrize(
    ("link", "kind"),
    [
        ("/var/log/app.log", "file"),
        ("/tmp/x (deleted)", "file"),
        ("/dev/shm/segment", "file"),
        ("/dev/null", "device"),
        ("/dev/pts/3", "pty"),
        ("/dev/ptmx", "pty"),
        ("/memfd:arena (deleted)", "memfd"),
        ("socket:[123]", "socket"),
        ("pipe:[5]", "pipe"),
        ("anon_inode:[eventpoll]", "eventpoll"),
        ("anon_inode:inotify", "inotify"),
        ("anon_inode:[timerfd]", "timerfd"),
        ("anon_inode:bpf-map", "anon"),
        ("net:[4026531840]", "other"),
    ],
)
def test_kind_of_a_descriptor(link: str, kind: str) -> None:
    """What the link says decides; old kernels wrote inotify without brackets."""
    assert fd_kind(link) == kind


@pytest.mark.parametrize(
    ("link", "inode"), [("socket:[123]", 123), ("pipe:[7]", 7), ("anon_inode:[eventpoll]", None), ("/a:[9]", 9)]
)
def test_inode_in_a_link(link: str, inode: int | None) -> None:
    """Only numbers are inodes."""
    assert link_inode(link) == inode


NET_TCP = (
    b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    b"   0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5001 1 0 100\n"
    b"   1: 0100007F:1F40 0100007F:D431 08 00000000:00000000 00:00000000 00000000     0        0 5002 1 0 20\n"
    b"   2: 0100007F:D431 0100007F:1F40 06 00000000:00000000 03:00000A1B 00000000     0        0 0 3 0\n"
)


def test_net_table_leaves_out_what_nobody_owns() -> None:
    """A connection in TIME_WAIT belongs to the kernel: inode 0."""
    assert parse_net_table(NET_TCP) == {5001: 10, 5002: 8}


def test_listeners_of_a_port() -> None:
    """0x1F40 = 8000: the listening socket counts, the accepted one on the same port does not."""
    assert parse_listeners(NET_TCP, 8000) == {5001}
    assert parse_listeners(NET_TCP, 8001) == frozenset()


def test_net_unix_inodes() -> None:
    """Seventh column; a path after it may or may not be there."""
    table = (
        b"Num       RefCount Protocol Flags    Type St Inode Path\n"
        b"ffff8880: 00000002 00000000 00010000 0001 01 23456 /run/x.sock\n"
        b"ffff8881: 00000003 00000000 00000000 0001 03 23457\n"
    )
    assert parse_net_unix(table) == {23456, 23457}
