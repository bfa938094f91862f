"""What is alive now and where it was born: descriptors, sockets, children, threads, tasks, temporary files.

Everything is checked against the kernel or the interpreter at each reading; births only add the stack. The result is
grouped by kind and creating stack, so that its size does not grow with the number of handles.
"""

from __future__ import annotations

import os
import sys

from .proc import STATES, inode_of, orphans, own_children, sort_of, tcp_states
from .stacks import OWN, frame_stack, frames_of, is_cut
from .stdlib import current_frames, load
from .tasks import code_of, waiting_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .births import Births
    from .stacks import Chain

DESCRIPTORS = 20_000  # read at most this many links in one reading
TICK_SLACK = 0.03  # s between the event and the start time of a child, which is in ticks of 10 ms
TCP, TCP_INFO = 6, 11  # of getsockopt; the first byte of what it gives is the state
ORPHAN_SLACK = 5.0  # s until what a child starts has left it: an interpreter may have to come up first


class Groups:
    """Handles summed by (kind, chain)."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.rows: dict[tuple[str, Chain], dict[str, Any]] = {}

    def add(self, kind: str, chain: Chain, born: float | None, tag: str, example: str) -> None:
        """Count one handle; `tag` is its sort (counted), `example` one of its names (the last is kept)."""
        row = self.rows.get((kind, chain))
        if row is None:
            row = self.rows[(kind, chain)] = {"count": 0, "tags": {}, "example": example, "born": None}
        row["count"] += 1
        if tag in row["tags"] or len(row["tags"]) < 8:
            row["tags"][tag] = row["tags"].get(tag, 0) + 1
        row["example"] = example
        if born is not None and (row["born"] is None or born < row["born"]):
            row["born"] = born

    def result(self, baseline: dict[int, int], top: int) -> list[dict[str, Any]]:
        """The `top` groups of each kind by count and by growth since the first reading."""
        if not baseline:
            baseline.update({hash(key): row["count"] for key, row in self.rows.items()})
            baseline.setdefault(0, 0)
        chosen: list[dict[str, Any]] = []
        for kind in {key[0] for key in self.rows}:
            rows = [(key, row) for key, row in self.rows.items() if key[0] == kind]
            by_count = sorted(rows, key=lambda item: -item[1]["count"])[:top]
            by_growth = sorted(rows, key=lambda item: baseline.get(hash(item[0]), 0) - item[1]["count"])[:top]
            both = {id(row): (key, row) for key, row in by_count + by_growth}
            chosen.extend(self._row(key, row) for key, row in both.values())
        return sorted(chosen, key=lambda row: -row["count"])

    def _row(self, key: tuple[str, Chain], row: dict[str, Any]) -> dict[str, Any]:
        age = None if row["born"] is None else round(self.now - row["born"], 3)
        detail = {"states": row["tags"], "example": row["example"], "oldest_s": age}
        if is_cut(key[1]):
            detail["cut"] = True
        return {"kind": key[0], "count": row["count"], "stack": frames_of(key[1]), "detail": detail}


class Handles:
    """Reads the tables of `births` against what is alive."""

    def __init__(self, births: Births) -> None:
        self.births = births
        self.ticks = os.sysconf("SC_CLK_TCK")
        self.socket = load("_socket").socket
        self.clear()

    def clear(self) -> None:
        """Forget what earlier readings resolved."""
        self.known: dict[tuple[int, str], tuple[Chain, float | None]] = {}
        self.children: dict[tuple[int, int], Chain] = {}
        self.baseline: dict[int, int] = {}
        self.tmp_totals: tuple[int | None, int | None] = (None, None)  # of the last reading: files, and their bytes

    def read(
        self, own_inodes: set[int], own_threads: set[int], top: int, tasks: list[Any]
    ) -> tuple[list[dict[str, Any]], list[str]]:
        """Groups of living handles, and what could not be read; `tasks` are those of asyncio that live."""
        groups = Groups(self.births.clock())
        self.tmp_totals = (None, None)
        warnings: list[str] = []
        parts: tuple[tuple[str, Any, tuple[Any, ...]], ...] = (
            ("descriptors", self._descriptors, (own_inodes,)),
            ("children", self._children, ()),
            ("threads", self._threads, (own_threads,)),
            ("tasks", self._tasks, (tasks,)),
            ("temporary files", self._tmp_files, ()),
        )
        for name, part, more in parts:
            try:
                part(groups, *more)
            except Exception as error:  # noqa: PERF203 - one part that fails must not take the others with it
                warnings.append(f"{name}: {type(error).__name__}: {error}")
        return groups.result(self.baseline, top), warnings

    def _descriptors(self, groups: Groups, own_inodes: set[int]) -> None:
        sockets = self._sockets()
        states: dict[int, str] | None = None
        paths = self._paths()
        alive: dict[tuple[int, str], tuple[Chain, float | None]] = {}
        for name in os.listdir("/proc/self/fd")[:DESCRIPTORS]:
            try:
                link = os.readlink(f"/proc/self/fd/{name}")
            except OSError:
                continue
            number, inode = int(name), inode_of(link)
            if inode in own_inodes or (link.startswith("/proc/") and link.endswith("/fd")):
                continue
            key = (number, link)
            found = self.known.get(key) or self._birth(number, link, inode, sockets, paths)
            alive[key] = found
            is_socket = link.startswith("socket:")
            if not is_socket:
                groups.add("fd", found[0], found[1], sort_of(link), link)
                continue
            _, _, peer, state = sockets.get(number, ((), 0.0, "", None))
            if state is None:  # a descriptor without an object that we know: the kernel's tables take milliseconds
                states = tcp_states() if states is None else states
                state = states.get(inode, "")
            groups.add("socket", found[0], found[1], state, peer)
        self.known = alive

    def _paths(self) -> dict[str, tuple[Chain, float] | None]:
        """Path to the one birth it can have come from; None where it was opened in more than one place."""
        found: dict[str, tuple[Chain, float] | None] = dict(self.births.databases)
        for chain, path, born in list(self.births.fds.values()):
            if isinstance(path, str):
                path = os.path.abspath(path)
                other = found.setdefault(path, (chain, born))
                if other is not None and other[0] != chain:
                    found[path] = None
        return found

    def _birth(self, number: int, link: str, inode: int, sockets: Any, paths: Any) -> tuple[Chain, float | None]:
        if link.startswith("socket:") and number in sockets:
            return sockets[number][0], sockets[number][1]
        born = self.births.fds.get(number)
        if born is not None:
            path = born[1]
            if isinstance(path, int):
                if path == inode or os.fstat(number).st_ino == path:
                    return born[0], born[2]
            elif link.startswith("socket:"):
                if path == "socket:":
                    return born[0], born[2]
            elif os.path.basename(path) == os.path.basename(link.replace(" (deleted)", "")):
                return born[0], born[2]
        found = paths.get(link) or paths.get(link.replace(" (deleted)", ""))
        return found if found is not None else ((), None)

    def _sockets(self) -> dict[int, tuple[Chain, float, str, str]]:
        """Descriptor number to birth, peer and TCP state, for every socket object that is alive."""
        found: dict[int, tuple[Chain, float, str, str]] = {}
        dead = []
        for key, (reference, chain, born) in list(self.births.socks.items()):
            made = reference()
            number = -1 if made is None else self.socket.fileno(made)
            if number < 0:
                dead.append(key)
                continue
            try:
                peer = str(self.socket.getpeername(made))
            except OSError:
                peer = ""
            found[number] = (chain, born, peer, self._state(made))
        for key in dead:
            entry = self.births.socks.get(key)
            if entry is not None and entry[0]() is None:
                del self.births.socks[key]
        return found

    def _state(self, made: Any) -> str:
        """Of a TCP socket past its first state, else empty: as in the tables of the kernel, which have no others."""
        try:
            number = self.socket.getsockopt(made, TCP, TCP_INFO, 1)[0]
        except OSError:  # it is of another kind
            return ""
        return STATES[number] if number < len(STATES) and STATES[number] != "CLOSE" else ""

    def _children(self, groups: Groups) -> None:
        events = self.births.take_forks()
        by_pid = {}
        for _, _, _, chain, reference in events:
            made = reference() if reference is not None else None
            pid = getattr(made, "pid", None)
            if isinstance(pid, int):
                by_pid[pid] = chain
        alive: dict[tuple[int, int], Chain] = {}
        for pid, comm, state, start in own_children():
            key = (pid, start)
            chain = self.children.get(key) or by_pid.get(pid) or self._fork_of(start / self.ticks, comm, events)
            alive[key] = chain
            groups.add("child", chain, None, "zombie" if state == "Z" else "running", comm)
        for pid, comm, _, start in orphans():
            key = (pid, start)
            chain = self.children.get(key) or self._left(start / self.ticks, events)
            if chain:
                alive[key] = chain
                groups.add("child", chain, None, "orphan", comm)
        self.children = alive

    @staticmethod
    def _left(start: float, events: list[list[Any]]) -> Chain:
        """The last child that was made before an orphan's start: most likely it, or what it started, is the orphan."""
        best: Chain = ()
        for begun, ended, _, chain, _ in events:
            if begun - 2 * TICK_SLACK <= start <= ended + ORPHAN_SLACK:
                best = chain
        return best

    @staticmethod
    def _fork_of(start: float, comm: str, events: list[list[Any]]) -> Chain:
        """The event just before a child's start; its program's name must fit when one is known."""
        best: Chain = ()
        for begun, ended, name, chain, _ in events:
            near = begun - 2 * TICK_SLACK <= start <= ended
            if near and (not name or comm == name[:15] or comm.startswith("python")):
                best = chain
        return best

    def _threads(self, groups: Groups, own: set[int]) -> None:
        frames = current_frames()
        if not frames:  # not to be asked: what is known of their births stays
            return
        threading = sys.modules.get("threading")
        objects = dict(getattr(threading, "_active", {}))
        living = set()
        for ident, frame in frames.items():
            thread = objects.get(ident)
            if ident in own or type(thread).__name__ == "_MainThread":
                continue
            born = self.births.threads.get(id(thread)) if thread is not None else None
            stack = frame_stack(frame, 64)
            if thread is not None:
                living.add(id(thread))
            chain = born[0] if born is not None else (_start_of(stack),)
            where = "{}:{} {}".format(*stack[0]) if stack else ""
            groups.add("thread", chain, None if born is None else born[1], type(thread).__name__, where)
        del frames
        for key in list(self.births.threads):
            if key not in living:
                self.births.threads.pop(key, None)

    def _tasks(self, groups: Groups, tasks: list[Any]) -> None:
        living = set()
        for task in tasks:
            living.add(id(task))
            coroutine = getattr(task, "_coro", None) or task.get_coro()
            born = self.births.tasks.get(id(task))
            if born is None:
                self.births.arm(task)
            name = getattr(coroutine, "__qualname__", None) or type(coroutine).__name__
            own = code_of(coroutine)
            chain = born[0] if born is not None else ((own,),) if own else ()
            groups.add("task", chain, None if born is None else born[1], name, waiting_at(coroutine))
        for key in list(self.births.tasks):
            if key not in living:
                self.births.tasks.pop(key, None)

    def _tmp_files(self, groups: Groups) -> None:
        files = total = 0
        for path, size, chain, born in self.births.temporary.living():
            groups.add("tmp_file", chain, born, "", path)
            files, total = files + 1, total + size
        if not self.births.temporary.over:
            self.tmp_totals = files, total


def _start_of(stack: Any) -> Any:
    """The first function of a thread whose birth nobody saw, past the frames of `threading`."""
    for file, line, name in reversed(stack):
        if not file.endswith("threading.py") and not file.startswith(OWN):
            return ((file, line, name),)
    return stack[-1:]
