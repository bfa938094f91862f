"""One reading of everything: the heap by stack, objects by type, handles by birth place, with what each part cost."""

from __future__ import annotations

import sys

from .births import OWN_THREADS
from .garbage import Search
from .handles import Handles
from .headroom import room_for
from .heap import TRACE_BYTES
from .holders import Holders
from .names import Names, type_name
from .native import Native
from .stdlib import current_frames, load
from .stretches import Stretches
from .tasks import living_tasks
from .temporary import MOST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .births import Births
    from .heap import Off
    from .server import Server

TOP = 60  # stacks sent by size, and as many by growth
YOUNG = 1  # the generations below the last
FREELY = 0.03  # s: where a full collection takes longer, only garbage that would look like growth is collected
GREW = 1.005  # by how much more: what was made and died meanwhile is some thousandths of a large heap
SOME = 0.001  # of the objects: so much garbage is collected where that costs little
TYPES = 200  # types sent by count, and as many by growth
BASELINE_FLOOR = 512  # bytes: smaller sites count as nothing in the first reading
HANDLE_GROUPS = 40  # stacks sent for each kind of handle, by count and by growth
LEFT_OUT = "left out, it would hold the target longer than agent.longest_pause"
FORKED = "types left out: the target forked while they were counted"
GARBAGE_LEFT = f"garbage {LEFT_OUT}: cycles of it look like growth until Python collects them itself"
SEVERAL = "threads: the target has several interpreters, so where its threads are could not be asked"
TOO_MANY_FILES = f"temporary files: over {MOST:,} at a time, their number is not known any more"
COLLECTION_OFF = "collection is off in the target (gc.disable): its cycles are kept, so that soak collects none either"


class Readings:
    """Remembers the first reading of this process, to send what has grown since."""

    def __init__(self, heap: Off, births: Births, server: Server, main_ident: int) -> None:
        self.heap = heap
        self.births = births
        self.server = server
        self.main_ident = main_ident
        self.gc = load("gc")
        self.stretches = Stretches()
        self.search = Search(self.stretches, lambda: server.stopping)
        self.living: int | None = None  # objects of the last census
        self.floor: int | None = None  # the fewest there were since garbage was last collected, or looked for
        self.count_elements = load("_collections")._count_elements
        self.handles = Handles(births)
        self.holders = Holders()
        self.names = Names()
        self.malloc: Native | None = None
        self.baseline: dict[int, int] = {}
        self.type_baseline: dict[str, int] = {}

    def read(self, request: dict[str, Any]) -> dict[str, Any]:
        """One reading of everything; `collect` runs one gc.collect() first, `top` bounds the stacks sent.

        What the allocators hold is read before the reading itself borrows memory; `trim` is of `native`. With
        `longest_pause` (ms) parts that would hold the target's threads longer in one go are left out, with a warning.
        """
        warnings: list[str] = []
        pauses = self._begin(request)
        collected = self._collect(warnings) if request.get("collect", True) else None
        native = self.native(request) if request.get("native", True) else None
        counts = self._count_types(warnings)
        sites, traced, own = self._sites(int(request.get("top", TOP)), warnings)
        cycle = request.get("cycle")
        if isinstance(cycle, int):
            self.heap.mark(cycle + 1)
        inodes = set(self.server.inodes.values())
        tasks = living_tasks(self.stretches)
        groups, failed = self.handles.read(inodes, {self.main_ident, *OWN_THREADS}, HANDLE_GROUPS, tasks)
        tmp_files, tmp_bytes = self.handles.tmp_totals
        if self.births.temporary.over:
            warnings.append(TOO_MANY_FILES)
        threads = len(current_frames())
        if not threads:
            warnings.append(SEVERAL)
        return {
            "mode": self.heap.name, "frames": self.heap.frames, "traced_bytes": traced,
            "agent_bytes": own, "gc_objects": self.living,
            "allocated_blocks": sys.getallocatedblocks(),
            "collected": collected,
            "uncollectable": len(self.gc.garbage), "tasks": len(tasks),
            "threads": max(1, threads - 1) if threads else None, "pause_ms": max(pauses.values(), default=0.0) * 1e3,
            "pauses_ms": {name: seconds * 1e3 for name, seconds in pauses.items()},
            "pauses_cpu_ms": {name: seconds * 1e3 for name, seconds in self.stretches.worked.items()}, "sites": sites,
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

    def _begin(self, request: dict[str, Any]) -> dict[str, float]:
        """The limit of this reading; gives the table of its pauses, in seconds by part."""
        longest = request.get("longest_pause")
        self.stretches.begin(None if longest is None else float(longest))
        return self.stretches.seconds

    def _expected(self) -> int:
        """How many objects the collector has, by the last census; before the first, no more than there are blocks."""
        return sys.getallocatedblocks() if self.living is None else self.living

    def _collect(self, warnings: list[str]) -> int | None:
        """Have garbage collected; None where there is none that would look like growth, or it would take too long.

        What a target without a collector keeps, nobody frees: a collection by us would hide its leak.
        """
        if not (self.gc.isenabled() and self.gc.get_threshold()[0]):
            warnings.append(COLLECTION_OFF)
            return None
        expected = self._expected()
        freely = min(self.stretches.longest or FREELY, FREELY)
        if self.stretches.foreseen("gc_collect", expected) <= freely:
            return self._collect_all()
        self.stretches.run("gc_young", self.gc.collect, YOUNG)
        objects = self._listed(expected)
        living = len(objects) or expected
        if not self.heap.makes_young and not self._may_collect_all(living, warnings):
            return None
        if self.stretches.foreseen("gc_collect", living) <= freely:
            objects.clear()  # what we hold would not be collected
            return self._collect_all()
        try:
            return self._collect_lost(objects, living, warnings)
        finally:
            self.search.forget()

    def _collect_all(self) -> int:
        """One full collection, which cannot be cut."""
        collected: int = self.stretches.run("gc_collect", self.gc.collect)
        return collected

    def _may_collect_all(self, living: int, warnings: list[str]) -> bool:
        if self.stretches.fits("gc_collect", living):
            return True
        warnings.append(GARBAGE_LEFT)
        return False

    def _listed(self, expected: int) -> list[Any]:
        """All objects the collector has; none where it would take too long to list them."""
        objects: list[Any] = []
        if self.stretches.fits("objects", expected):
            objects = self.stretches.run("objects", self.gc.get_objects)
        return objects

    def _collect_lost(self, objects: list[Any], living: int, warnings: list[str]) -> int | None:
        """Collect what looks like growth; `objects` are all that are `living`, or none where they were not listed.

        There is none while there are no more objects than after the last collection, or than there ever were since.
        Where there are more it is looked for; and once at the beginning, so that growth is of what was alive then.
        """
        before = self.floor
        if before is not None and living <= before * GREW:
            self.floor = min(living, before)
            return None
        garbage = self.search.among(objects) if objects else None
        objects.clear()
        if garbage is None:
            self.floor = living if before is None else before
            due = before is not None and self._may_collect_all(living, warnings)
            return self._collect_all() if due else None
        self.floor = living - garbage
        if self.heap.makes_young:
            return self._collect_found(living, garbage, warnings) if garbage > living * SOME else None
        return self._collect_all() if living > self.floor * GREW else None

    def _collect_found(self, living: int, garbage: int, warnings: list[str]) -> int | None:
        """Collect what the search took for garbage, and no more: it takes as long as there is garbage."""
        if not self.stretches.fits("gc_found", garbage):
            warnings.append(GARBAGE_LEFT)
            return None
        # What is being made is old then: at the end of the list, of which the end is let go of first.
        self.stretches.run("gc_young", self.gc.collect, YOUNG)
        found = self.search.lost(self._listed(living))
        if not found:
            return None
        number = len(found)
        collected: int = self.stretches.run("gc_found", self._collect_these, found)
        self.stretches.learn("gc_found", number)
        return collected

    def _collect_these(self, found: list[Any]) -> int:
        self.heap.make_young(found)
        collected: int = self.gc.collect(YOUNG)
        return collected

    def _count_types(self, warnings: list[str]) -> dict[type, int]:
        """Living gc objects by type: listed at once, counted in slices between which other threads have their turns."""
        counts: dict[type, int] = {}
        if not self.stretches.fits("objects", self._expected()):
            self.living = None
            warnings.append(f"types {LEFT_OUT}")
            return counts
        if "garbage" in self.stretches.seconds:  # that took a while: see _collect_found
            self.stretches.run("gc_young", self.gc.collect, YOUNG)
        objects = self.stretches.run("objects", self.gc.get_objects)
        self.living = len(objects)
        if not self.stretches.seconds.keys().isdisjoint(("gc_collect", "gc_found")):
            self.floor = self.living
        for part in ("gc_collect", "objects"):
            self.stretches.learn(part, self.living)

        def count(piece: list[Any]) -> None:
            self.count_elements(counts, map(type, piece))
            if self.server.stopping and objects:  # a fork: the child would have all our references for good
                objects.clear()
                warnings.append(FORKED)

        self.stretches.slices("types", objects, count)
        return {} if FORKED in warnings else counts

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

    def _sites(self, top: int, warnings: list[str]) -> tuple[list[dict[str, Any]], Any, int]:
        blocks = self.heap.blocks()
        short = room_for(blocks * TRACE_BYTES)
        if short or not self.stretches.fits("heap", blocks):
            warnings.append(f"heap not read: {short}" if short else f"heap {LEFT_OUT}")
            return [], None, 0
        traced, own, sites = self.heap.read()
        self.stretches.seconds["heap"] = self.stretches.worked["heap"] = self.heap.pause
        self.stretches.learn("heap", blocks)
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
        self._begin(request)
        if not self.stretches.fits("objects", self._expected()):
            return {"holders": [], "late": False, "pause_ms": 0.0}
        tables = (self, self.births, self.handles, self.names, self.server, self.holders, self.stretches, self.search)
        ours = {id(value) for table in tables for value in (table, vars(table), *vars(table).values())}
        return self.holders.read(request, ours, self.stretches)

    def native(self, request: dict[str, Any]) -> dict[str, Any]:
        """What malloc holds: see `Native.read`; free pages are given back only when `trim` asks for it."""
        if self.malloc is None:
            self.malloc = Native()
        return self.malloc.read(bool(request.get("trim")))
