"""What the probes of one sample look at: one process, each of its files read at most once."""

from __future__ import annotations

import resource
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from soak_probes.pace import Pace
from soak_probes.parse import Rollup, fd_kind, link_inode, parse_rollup
from soak_probes.process import Process
from soak_probes.reading import NOTHING_EXCLUDED, Excluded, Missing, Refused
from soak_probes.sockdiag import SocketStates
from soak_probes.tree import ProcessTree

_Found = TypeVar("_Found")
PAGE_SIZE = resource.getpagesize()
# The kinds are looked at again after this many seconds although the count stood still: one may have replaced another.
_RECHECK = 30.0


@dataclass(frozen=True, slots=True)
class FdTable:
    """What the descriptors of a process were when they were last looked at one by one."""

    count: int
    read_at: float
    kinds: Mapping[str, int]
    sockets: frozenset[int]
    paths: Mapping[str, str]
    """Descriptor number -> path, of regular files only."""
    excluded: Excluded
    """What was left out as the agent's."""


class Budget:
    """The paced readings: each kind may take a share of one core; all processes of a sample are read, or none."""

    def __init__(self) -> None:
        """Shares of a core that add up to 0.14 %, whatever the target's size: the goal for all of soak is 0.5 %.

        2 ms, the memory maps of a middling process, come every 4 s; 77 ms, 5,000 descriptors one by one, every 30 s.
        In the trough, which decides, everything is read in any case.
        """
        self.maps = Pace(0.0005)
        self.tables = Pace(0.0005, longest=30.0)
        self.sockets = Pace(0.0002, longest=30.0)
        self.tmp = Pace(0.0002, longest=30.0)


@dataclass(slots=True)
class Moment:
    """One sample of the whole tree: `now` in seconds of CLOCK_MONOTONIC, `boot` of CLOCK_BOOTTIME like start times."""

    tree: ProcessTree
    states: SocketStates
    now: float
    boot: float
    previous: tuple[float, float] | None = None
    """now and boot of the sample before."""
    maps_due: bool = True
    tables_due: bool = True
    sockets_due: bool = True
    tmp_due: bool = True
    spent: dict[str, float] = field(default_factory=dict)
    """Seconds that the paced readings took in this sample."""
    namespaces: dict[str, dict[int, str]] = field(default_factory=dict)
    tmp_seen: dict[tuple[int, int], str] = field(default_factory=dict)
    """(device, inode) -> path of temporary files that the tree had open at some time; outlives the moment."""

    def add_cost(self, what: str, began: float) -> None:
        """Account the time since `began` (thread_time: waiting is not cost) to a paced reading."""
        self.spent[what] = self.spent.get(what, 0.0) + time.thread_time() - began


class View:
    """One process in one sample."""

    def __init__(self, process: Process, moment: Moment, excluded: Excluded = NOTHING_EXCLUDED) -> None:
        """`excluded` is what is the agent's in this process."""
        self.process = process
        self.moment = moment
        self.excluded = excluded
        self.memo: dict[str, object] = {}
        """What a probe worked out for another probe of the same sample."""
        self._rollup: Rollup | Refused | None = None
        self._table: FdTable | Refused | None = None
        self._count: int | None = None

    def rollup(self) -> Rollup | None:
        """uss, pss and swap; None when not due. It walks all page tables of the process: milliseconds."""
        if self._rollup is None and self.moment.maps_due:
            began = time.thread_time()
            try:
                self._rollup = parse_rollup(self.process.files.read("smaps_rollup"))
            except Refused as refused:
                self._rollup = refused
            except Missing:
                self.process.files.pread("stat")  # it is really gone if this fails
                self._rollup = Refused("this kernel has no smaps_rollup (it came with Linux 4.14)")
            self.moment.add_cost("maps", began)
        return _or_raise(self._rollup)

    def fd_count(self) -> int:
        """Open descriptors, the agent's too. The size of the directory is the count since kernel 6.2, and 0 before."""
        if self._count is None:
            self._count = self.process.files.stat("fd").st_size or len(self.process.files.listdir("fd"))
        return self._count

    def fd_table(self) -> FdTable | None:
        """The descriptors one by one; None if they moved since the last look and a new look is not due."""
        if self._table is None:
            remembered = self.process.memory.get("fd_table")
            if isinstance(remembered, FdTable) and self._still_holds(remembered):
                self._table = remembered
            elif self.moment.tables_due:
                self._table = self._read_table()
                self.process.memory["fd_table"] = self._table
        return _or_raise(self._table)

    def socket_states(self) -> Mapping[int, str] | None:
        """inode -> state in this process's network namespace; None when not due."""
        if not self.moment.sockets_due:
            return None
        began = time.thread_time()
        namespace = self.moment.states.of_namespace(self.process.files)
        if namespace not in self.moment.namespaces:
            self.moment.namespaces[namespace] = self.moment.states.look(self.process.files)
        self.moment.add_cost("sockets", began)
        return self.moment.namespaces[namespace]

    def _still_holds(self, table: FdTable) -> bool:
        if table.excluded != self.excluded or self.moment.now - table.read_at >= _RECHECK:
            return False
        return table.count == self.fd_count()

    def _read_table(self) -> FdTable | Refused:
        began = time.thread_time()
        try:
            count = self.fd_count()
            return build_table(count, self.moment.now, self.process.files.links("fd"), self.excluded)
        except Refused as refused:
            return refused
        finally:
            self.moment.add_cost("tables", began)


def build_table(count: int, now: float, links: Mapping[str, str], excluded: Excluded) -> FdTable:
    """Sort the links of /proc/PID/fd, without what is the agent's."""
    kinds: Counter[str] = Counter()
    sockets: set[int] = set()
    paths: dict[str, str] = {}
    for number, link in links.items():
        inode = link_inode(link)
        if inode in excluded.fd_inodes:
            continue
        kind = fd_kind(link)
        kinds[kind] += 1
        if kind == "socket" and inode is not None:
            sockets.add(inode)
        elif kind == "file":
            paths[number] = link
    return FdTable(count, now, kinds, frozenset(sockets), paths, excluded)


def _or_raise(found: _Found | Refused | None) -> _Found | None:
    if isinstance(found, Refused):
        raise found
    return found
