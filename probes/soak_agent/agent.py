"""The parts of the guest put together: begins, answers requests, and leaves.

Nothing is pushed: the asker sends `{"op": "read", ...}` and gets one line back. All numbers are of this process alone.
"""

from __future__ import annotations

import os
import sys

from . import PROTOCOL
from .births import OWN_THREADS, Births, installed
from .handles import Handles
from .headroom import room_for
from .heap import TRACE_BYTES, Off, choose
from .holders import Holders, type_name
from .names import Names
from .native import Native
from .server import Server
from .stdlib import load, read_file
from .tasks import living_tasks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

TOP = 60  # stacks sent by size, and as many by growth
TYPES = 200  # types sent by count, and as many by growth
BASELINE_FLOOR = 512  # bytes: smaller sites count as nothing in the first reading
HANDLE_GROUPS = 40  # stacks sent for each kind of handle, by count and by growth


class Agent:
    """One per process."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self.settings = settings
        self.gc = load("gc")
        self.clock = load("time").perf_counter
        self.count_elements = load("_collections")._count_elements
        self.pid = os.getpid()
        self.main_ident = _main_ident()
        self.heap: Off = Off()
        self.heap_why = ""
        self.names = Names()
        self.holders = Holders()
        self.malloc: Native | None = None
        self.baseline: dict[int, int] = {}
        self.type_baseline: dict[str, int] = {}
        self.operations = {
            "hello": self.hello,
            "read": self.read,
            "mark": self.mark,
            "holders": self.who_holds,
            "native": self.native,
            "heap": self.switch_heap,
            "detach": self.detach,
        }
        self.server = Server(settings["SOAK_AGENT_DIR"], self.answer, self.look, OWN_THREADS)

    def begin(self) -> None:
        """Open the socket, listen for births, choose the heap backend, and serve when all of it is there."""
        self.server.open()
        self.births = Births(self.server.wake_read)
        self.handles = Handles(self.births)
        if self.settings.get("SOAK_AGENT_HANDLES", "1") != "0":
            self.births.start()
        frames, interval = self._number("SOAK_AGENT_FRAMES", 1), self._number("SOAK_AGENT_INTERVAL", 0)
        self.heap, self.heap_why = choose(self.settings.get("SOAK_AGENT_HEAP", "auto"), frames, interval)
        self.server.restart()

    def _number(self, name: str, default: int) -> int:
        try:
            return int(self.settings.get(name) or default)
        except ValueError:
            return default

    def look(self) -> None:
        """Notice what the target imported since."""
        if self.births.handlers:
            self.births.look()

    def reborn(self) -> None:
        """In a forked child: same settings, own socket, own baseline; threads and children stayed with the parent."""
        self.pid = os.getpid()
        self.baseline, self.type_baseline = {}, {}
        self.main_ident = load("_thread").get_ident()
        OWN_THREADS.intersection_update((self.main_ident,))
        self.births.threads.clear()
        self.births.forks = []
        self.handles.clear()
        self.server.reborn()
        self.births.spare = self.server.wake_read

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The reply to one request; ValueError names an operation that does not exist."""
        self.look()
        self.heap.hide()
        operation = self.operations.get(str(request.get("op")))
        if operation is None:
            raise ValueError(f"no operation {request.get('op')!r}")
        return operation(request)

    def hello(self, request: dict[str, Any]) -> dict[str, Any]:
        """Who and what this process is."""
        start = int(read_file("/proc/self/stat").rpartition(b")")[2].split()[19])
        return {
            "protocol": PROTOCOL, "pid": self.pid, "start_time": start, "ppid": os.getppid(),
            "python": "{}.{}.{}".format(*sys.version_info), "executable": sys.executable,
            "pid_ns": os.readlink("/proc/self/ns/pid"), "heap_mode": self.heap.name, "heap_why": self.heap_why,
            "frames": self.heap.frames, "handles": bool(self.births.handlers), **self.server.footprint(),
        }  # fmt: skip

    def read(self, request: dict[str, Any]) -> dict[str, Any]:
        """One reading of everything; `collect` runs one gc.collect() first, `top` bounds the stacks sent."""
        pauses: dict[str, float] = {}
        warnings: list[str] = []
        collected = self._timed(pauses, "gc_collect", self.gc.collect) if request.get("collect", True) else None
        counts = self._timed(pauses, "types", self._count_types)
        sites, traced, own = self._sites(int(request.get("top", TOP)), pauses, warnings)
        cycle = request.get("cycle")
        if isinstance(cycle, int):
            self.heap.mark(cycle + 1)
        inodes = set(self.server.inodes.values())
        groups, failed = self.handles.read(inodes, {self.main_ident, *OWN_THREADS}, HANDLE_GROUPS)
        tmp_files, tmp_bytes = self.handles.tmp_totals()
        return {
            "pid": self.pid, "mode": self.heap.name, "frames": self.heap.frames, "traced_bytes": traced,
            "agent_bytes": own, "gc_objects": sum(counts.values()),
            "allocated_blocks": sys.getallocatedblocks(),
            "collected": collected,
            "uncollectable": len(self.gc.garbage), "tasks": len(living_tasks()),
            "threads": max(1, len(sys._current_frames()) - 1), "pause_ms": max(pauses.values()) * 1e3,
            "pauses_ms": {name: seconds * 1e3 for name, seconds in pauses.items()}, "sites": sites,
            "types": self._types(counts, int(request.get("types", TYPES))), "handles": groups,
            "tmp_files": tmp_files, "tmp_bytes": tmp_bytes, "warnings": warnings + failed,
        }  # fmt: skip

    def mark(self, request: dict[str, Any]) -> dict[str, Any]:
        """What is allocated from now on was born in `cycle`; a reading of cycle n marks n + 1 by itself."""
        self.heap.mark(int(request["cycle"]))
        return {}

    def _timed(self, pauses: dict[str, float], name: str, act: Any) -> Any:
        begun = self.clock()
        result = act()
        pauses[name] = self.clock() - begun
        return result

    def _count_types(self) -> dict[type, int]:
        """Living gc objects by type: one pass in C, without letting another thread in."""
        counts: dict[type, int] = {}
        self.count_elements(counts, map(type, self.gc.get_objects()))
        return counts

    def _types(self, counts: dict[type, int], top: int) -> list[dict[str, Any]]:
        named: dict[str, int] = {}
        for kind, count in counts.items():
            name = type_name(kind)
            if not name.startswith("_soak_"):
                named[name] = named.get(name, 0) + count
        if not self.type_baseline:
            self.type_baseline = dict(named)
        before = self.type_baseline
        chosen = set(sorted(named, key=lambda name: -named[name])[:top])
        chosen.update(sorted(named, key=lambda name: before.get(name, 0) - named[name])[:top])
        return [{"type": name, "count": named[name]} for name in sorted(chosen, key=lambda name: -named[name])]

    def _sites(self, top: int, pauses: dict[str, float], warnings: list[str]) -> tuple[list[dict[str, Any]], Any, int]:
        short = room_for(self.heap.blocks() * TRACE_BYTES)
        if short:
            warnings.append(f"heap not read: {short}")
            return [], None, 0
        traced, own, sites = self.heap.read()
        pauses["heap"] = self.heap.pause
        if not self.baseline:
            self.baseline = {hash(site[2]): site[0] for site in sites if site[0] >= BASELINE_FLOOR} or {0: 0}
        before = self.baseline
        chosen = sorted(sites, key=lambda site: -site[0])[:top]
        chosen += sorted(sites, key=lambda site: before.get(hash(site[2]), 0) - site[0])[:top]
        unique = list({id(site): site for site in chosen}.values())
        self.names.learn({(f[0], f[1]) for site in unique for f in site[2] if f[2] is None})
        return [self._site(site) for site in unique], traced, own

    def _site(self, site: list[Any]) -> dict[str, Any]:
        size, count, stack, extra = site
        frames = [[file, line, self.names.of(file, line) if name is None else name] for file, line, name in stack]
        return {"bytes": size, "count": count, "partial": len(frames) <= 1, "stack": frames, **extra}

    def who_holds(self, request: dict[str, Any]) -> dict[str, Any]:
        """Retention paths: see `Holders.read`; our own tables are not the target's."""
        tables = (self, self.births, self.handles, self.names, self.server, self.holders)
        ours = {id(value) for table in tables for value in (table, vars(table), *vars(table).values())}
        return self.holders.read(request, ours)

    def native(self, request: dict[str, Any]) -> dict[str, Any]:
        """What malloc holds: see `Native.read`; free pages are given back only when `trim` asks for it."""
        if self.malloc is None:
            self.malloc = Native()
        return self.malloc.read(bool(request.get("trim")))

    def switch_heap(self, request: dict[str, Any]) -> dict[str, Any]:
        """Change the heap backend: `mode`, `frames`, `interval`; what was known by the old one is forgotten."""
        self.heap.stop()
        self.baseline = {}
        frames, interval = int(request.get("frames", 1)), int(request.get("interval", 0))
        self.heap, self.heap_why = choose(str(request.get("mode", "auto")), frames, interval)
        return {"heap_mode": self.heap.name, "heap_why": self.heap_why, "frames": self.heap.frames}

    def detach(self, request: dict[str, Any]) -> dict[str, Any]:
        """Stop everything after this reply; says what cannot be removed."""
        self.heap.stop()
        self.births.stop()
        self.server.leave()
        global _agent
        _agent = None
        remains = ["modules named _soak_*", "three fork hooks that return at once"]
        if installed():
            remains.append("an audit hook with nothing to look for")
        if self.heap.name == "sampler":
            remains.append("the sampler's library, mapped and unhooked")
        return {"remains": remains}


def _main_ident() -> int:
    """Of the main thread, also when another one lets us in; the calling thread where `threading` is not loaded."""
    main = getattr(sys.modules.get("threading"), "_main_thread", None)
    return int(getattr(main, "_ident", None) or load("_thread").get_ident())


_agent: Agent | None = None
_forks = False  # whether the fork hooks are there: they cannot be removed


def running() -> bool:
    """True while the agent serves in this very process."""
    return _agent is not None and _agent.pid == os.getpid() and not _agent.server.ended


def begin(settings: Mapping[str, str]) -> bool:
    """Start with `settings` (the SOAK_AGENT_* variables); False when there is no folder to serve in."""
    global _agent, _forks
    if _agent is not None or not settings.get("SOAK_AGENT_DIR"):
        return _agent is not None
    ident = load("_thread").get_ident()
    OWN_THREADS.add(ident)
    try:
        agent = Agent(dict(settings))
        agent.begin()
        _agent = agent
    finally:
        OWN_THREADS.discard(ident)
    if not _forks:
        _forks = True
        before, parent, child = (_at_fork(part) for part in ("pause", "resume", "reborn"))
        os.register_at_fork(before=before, after_in_parent=parent, after_in_child=child)
    return True


def _at_fork(part: str) -> Callable[[], None]:
    """A hook that never raises, whose own handles are not noted, and that does nothing without an agent."""
    ident = load("_thread").get_ident

    def act() -> None:
        agent, caller = _agent, ident()
        if agent is None:
            return
        OWN_THREADS.add(caller)
        try:
            getattr(agent if part == "reborn" else agent.server, part)()
        except Exception:
            pass
        finally:
            OWN_THREADS.discard(caller)

    return act
