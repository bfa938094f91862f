"""The target's processes: found cheaply, followed by pid and start time, orphans and zombies included."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from soak_probes.pace import Pace
from soak_probes.parse import parse_pids, parse_stat
from soak_probes.process import Key, Process, cmdline_of, parent_of
from soak_probes.procfs import ProcFiles
from soak_probes.reading import ProcessGone, Refused
from soak_probes.roles import role_of
from soak_probes.slots import Recycled, WorkerSlots

_THREADS_SHARE = 0.001  # of a core, for the children of other threads than the main one
_THREADS_LONGEST = 10.0  # seconds until such a child is found at the latest


class ProcessTree:
    """Follows the roots and everything they started.

    A process is found through its parent, or through the reaper that orphans go to, and then followed by pid and start
    time until it is gone, wherever it moves. A short life between two looks is not seen. The kernel's children files
    may miss a process while a sibling exits (proc_tid_children(5)): it is found at the next look.
    """

    def __init__(
        self,
        roots: Sequence[Key],
        *,
        proc_root: str = "/proc",
        reaper_pid: int | None = None,
        follow: bool = True,
        members: Callable[[], Iterable[int]] = tuple,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`roots` by (pid, start time); other children of `reaper_pid` are orphans; follow=False: roots only.

        `members` gives further pids that belong to the target, such as those of its control group.
        """
        self._roots = tuple(roots)
        self._proc_root = proc_root
        self._reaper_pid = reaper_pid
        self._follow = follow
        self._members = members
        self._monotonic = monotonic
        self._slots = WorkerSlots()
        self._pace = Pace(_THREADS_SHARE, _THREADS_LONGEST)
        self._listed: bool | None = None
        self._known: dict[Key, Process] = {}
        self._reaper: ProcFiles | None = None

    @property
    def roots(self) -> tuple[Key, ...]:
        """The processes that the tree begins with."""
        return self._roots

    @property
    def proc_root(self) -> str:
        """Where /proc is mounted."""
        return self._proc_root

    @property
    def alive(self) -> bool:
        """Whether a root was alive (and no zombie) at the last refresh."""
        return any(key in self._known and not self._known[key].stat.dead for key in self._roots)

    @property
    def processes(self) -> list[Process]:
        """The processes as of the last refresh, roots first, then by pid."""
        return sorted(self._known.values(), key=lambda process: (process.key not in self._roots, process.pid))

    def take_recycled(self) -> list[Recycled]:
        """The workers that were replaced since the last call."""
        return self._slots.take_recycled()

    def rebase(self, roots: Sequence[Key], reaper_pid: int | None = None) -> None:
        """Follow other roots from now on, after the target was restarted; and another reaper, if one is given."""
        self.close()
        self._reaper_pid = reaper_pid or self._reaper_pid
        self._roots = tuple(roots)
        self._slots = WorkerSlots()

    def refresh(self, *, thorough: bool = False) -> list[Process]:
        """Look again: who lives, who is new, who is whose child.

        A child is listed under the thread that forked it. The main threads' children are looked at every time; those
        of other threads within a thousandth of a core, and whenever the look is to be `thorough`.
        """
        for process in list(self._known.values()):
            self._renew(process)
        for pid, start_time in self._roots:
            self._adopt(pid, start_time)
        if self._follow:
            self._find_descendants(thorough)
        self._assign_roles()
        return self.processes

    def close(self) -> None:
        """Close all files."""
        for process in self._known.values():
            process.files.close()
        self._known.clear()
        if self._reaper is not None:
            self._reaper.close()
            self._reaper = None

    def _renew(self, process: Process) -> None:
        """Read `stat` again; a process that is gone, or whose pid is another's by now, leaves the tree."""
        try:
            stat = parse_stat(process.files.pread("stat"))
        except (ProcessGone, Refused, ValueError):
            stat = None
        if stat is None or stat.start_time != process.start_time:
            process.files.close()
            del self._known[process.key]
            return
        process.looks += 1
        # A child that was forked bears its parent's command line until it execs, sometimes with the same short name.
        if stat.comm != process.stat.comm or process.looks == 1:
            process.cmdline = cmdline_of(process.files)
        process.stat = stat

    def _adopt(self, pid: int, start_time: int | None = None) -> Process | None:
        """Take a process into the tree (once); None if it is gone or is not the one with `start_time`."""
        with contextlib.suppress(ProcessGone, Refused, ValueError):
            files = ProcFiles(pid, self._proc_root)
            try:
                stat = parse_stat(files.pread("stat"))
                known = self._known.get((pid, stat.start_time))
                if known is None and start_time in (None, stat.start_time):
                    known = self._known[pid, stat.start_time] = Process(files, stat, cmdline_of(files))
                    return known
            except (ProcessGone, Refused, ValueError):
                known = None
            files.close()
            return known
        return None

    def _find_descendants(self, thorough: bool) -> None:
        now, began = self._monotonic(), time.thread_time()
        listed = self._children_are_listed()
        threaded = any(process.stat.threads > 1 for process in self._known.values())
        thorough = (threaded or not listed) and self._pace.due(now, thorough)
        children = self._children_by_scan() if thorough and (not listed or self._scan_is_cheaper()) else None
        pids = {process.pid for process in self._known.values()}
        queue = list(self._known.values())
        queue.extend(self._take(self._reaped(), pids))
        queue.extend(self._take(self._members(), pids))
        while queue:
            process = queue.pop()
            if children is not None:
                found: Iterable[int] = children.get(process.pid, ())
            else:
                found = self._children_of(process.files, all_threads=thorough)
            queue.extend(self._take(found, pids))
        if thorough:
            self._pace.spent(now, time.thread_time() - began)

    def _children_are_listed(self) -> bool:
        """Whether this kernel has children files (CONFIG_PROC_CHILDREN); asked once."""
        for process in self._known.values() if self._listed is None else ():
            with contextlib.suppress(ProcessGone, Refused):
                self._listed = process.files.has(f"task/{process.pid}/children")
        return self._listed is not False

    def _scan_is_cheaper(self) -> bool:
        """Whether there are more threads to ask than processes on the machine (a link in /proc for each)."""
        threads = sum(process.stat.threads for process in self._known.values())
        return threads > Path(self._proc_root).stat().st_nlink

    def _take(self, found: Iterable[int], pids: set[int]) -> list[Process]:
        new = [process for pid in found if pid not in pids and (process := self._adopt(pid)) is not None]
        pids.update(process.pid for process in new)
        return new

    def _reaped(self) -> tuple[int, ...]:
        """The children of the reaper: orphans, and the root itself."""
        if self._reaper_pid is None:
            return ()
        try:
            if self._reaper is None:
                self._reaper = ProcFiles(self._reaper_pid, self._proc_root)
            return self._children_of(self._reaper, all_threads=False)
        except (ProcessGone, Refused):
            return ()

    def _children_of(self, files: ProcFiles, *, all_threads: bool) -> tuple[int, ...]:
        """What the main thread forked, or any thread."""
        found: list[int] = []
        threads = [str(files.pid)]
        if all_threads:
            with contextlib.suppress(ProcessGone, Refused):
                threads = files.listdir("task")
        for thread in threads:
            with contextlib.suppress(ProcessGone, Refused):
                found.extend(parse_pids(files.read(f"task/{thread}/children")))
        return tuple(found)

    def _children_by_scan(self) -> dict[int, list[int]]:
        children: dict[int, list[int]] = {}
        with os.scandir(self._proc_root) as entries:
            pids = [entry.name for entry in entries if entry.name.isdigit()]
        for pid in pids:
            with contextlib.suppress(ProcessGone, Refused, ValueError):
                children.setdefault(parent_of(pid, self._proc_root), []).append(int(pid))
        return children

    def _assign_roles(self) -> None:
        by_pid = {process.pid: process for process in self._known.values()}
        for process in self._known.values():
            process.children = 0
        for process in self._known.values():
            parent = by_pid.get(process.ppid)
            if parent is not None:
                parent.children += 1
            process.role = role_of(
                process.cmdline,
                parent.cmdline if parent is not None else (),
                is_root=process.key in self._roots,
                reaches_root=self._reaches_root(process, by_pid),
            )
        # Not at the first look: what was forked to exec something else bears its parent's command line for a moment.
        settled = (process for process in self._known.values() if process.role == "worker" and process.looks)
        self._slots.update({process.key: process.ppid for process in settled}, self._monotonic())
        for process in self._known.values():
            process.place = self._slots.place(process.key)

    def _reaches_root(self, process: Process, by_pid: dict[int, Process]) -> bool:
        seen: set[int] = set()
        current: Process | None = process
        while current is not None and current.pid not in seen:
            if current.key in self._roots:
                return True
            seen.add(current.pid)
            current = by_pid.get(current.ppid)
        return False
