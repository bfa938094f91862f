"""One reading of everything: the heap by stack, objects by type, handles by birth place, with what each part cost."""

from __future__ import annotations

import sys

from .births import OWN_THREADS
from .handles import Handles
from .headroom import room_for
from .heap import TRACE_BYTES
from .holders import Holders
from .names import Names, type_name
from .native import Native
from .stdlib import load
from .tasks import living_tasks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .births import Births
    from .heap import Off
    from .server import Server

TOP = 60  # stacks sent by size, and as many by growth
SLICE = 50_000  # objects counted while no other thread runs: 5 ms
TYPES = 200  # types sent by count, and as many by growth
BASELINE_FLOOR = 512  # bytes: smaller sites count as nothing in the first reading
HANDLE_GROUPS = 40  # stacks sent for each kind of handle, by count and by growth


class Readings:
    """Remembers the first reading of this process, to send what has grown since."""

    def __init__(self, heap: Off, births: Births, server: Server, main_ident: int) -> None:
        self.heap = heap
        self.births = births
        self.server = server
        self.main_ident = main_ident
        self.gc = load("gc")
        self.clock = load("time").perf_counter
        self.count_elements = load("_collections")._count_elements
        self.handles = Handles(births)
        self.holders = Holders()
        self.names = Names()
        self.malloc: Native | None = None
        self.baseline: dict[int, int] = {}
        self.type_baseline: dict[str, int] = {}

    def read(self, request: dict[str, Any]) -> dict[str, Any]:
        """One reading of everything; `collect` runs one gc.collect() first, `top` bounds the stacks sent.

        What the allocators hold is read before the reading itself borrows memory; `trim` is of `native`.
        """
        pauses: dict[str, float] = {}
        warnings: list[str] = []
        collected = self._timed(pauses, "gc_collect", self.gc.collect) if request.get("collect", True) else None
        native = self.native(request) if request.get("native", True) else None
        counts = self._count_types(pauses)
        sites, traced, own = self._sites(int(request.get("top", TOP)), pauses, warnings)
        cycle = request.get("cycle")
        if isinstance(cycle, int):
            self.heap.mark(cycle + 1)
        inodes = set(self.server.inodes.values())
        groups, failed = self.handles.read(inodes, {self.main_ident, *OWN_THREADS}, HANDLE_GROUPS)
        tmp_files, tmp_bytes = self.handles.tmp_totals()
        return {
            "mode": self.heap.name, "frames": self.heap.frames, "traced_bytes": traced,
            "agent_bytes": own, "gc_objects": sum(counts.values()),
            "allocated_blocks": sys.getallocatedblocks(),
            "collected": collected,
            "uncollectable": len(self.gc.garbage), "tasks": len(living_tasks()),
            "threads": max(1, len(sys._current_frames()) - 1), "pause_ms": max(pauses.values()) * 1e3,
            "pauses_ms": {name: seconds * 1e3 for name, seconds in pauses.items()}, "sites": sites,
            "types": self._types(counts, int(request.get("types", TYPES))), "handles": groups,
            "tmp_files": tmp_files, "tmp_bytes": tmp_bytes, "warnings": warnings + failed, "native": native,
            "cost": self._cost(), "heap_restarts": self.heap.restarts(),
        }  # fmt: skip

    def _cost(self) -> dict[str, Any]:
        """Seconds since the process began: its `cpu`, and what our `thread`, `births` and `heap` took of that."""
        time = load("time")
        return {
            "cpu": time.process_time(), "thread": self.server.spent + time.thread_time(),
            "births": self.births.cost(), "heap": self.heap.cost(),
        }  # fmt: skip

    def _timed(self, pauses: dict[str, float], name: str, act: Any, *args: Any) -> Any:
        begun = self.clock()
        result = act(*args)
        pauses[name] = self.clock() - begun
        return result

    def _count_types(self, pauses: dict[str, float]) -> dict[type, int]:
        """Living gc objects by type: listed at once, counted in slices between which other threads have their turns."""
        counts: dict[type, int] = {}
        objects = self._timed(pauses, "objects", self.gc.get_objects)
        longest = 0.0
        while objects:
            self._timed(pauses, "types", self._count_last, objects, counts)
            longest = max(longest, pauses["types"])
        pauses["types"] = longest
        return counts

    def _count_last(self, objects: list[Any], counts: dict[type, int]) -> None:
        """Count the last SLICE of `objects` and let go of them."""
        self.count_elements(counts, map(type, objects[-SLICE:]))
        del objects[-SLICE:]

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
