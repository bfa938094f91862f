"""Reads the agents inside the target, once per cycle, in its trough; in a thread, so that no sample is delayed."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from soak.config import AgentConfig
from soak.holders import HolderAsker
from soak.suspects import Suspects
from soak_probes import Excluded, Process
from soak_probes.agent_client import AgentClient, AgentError
from soak_storage.records import EventRow, HandleRow, ReadingRow, Record, SampleRow, SiteRow, Stack, TypeRow

TOP_SITES = 200  # stacks sent by size and by growth: a finding shows ten, its correction for many looks wants the rest
TOP_TYPES = 100
WARM_CYCLE = 1  # the first cycle's growth is warm-up: containers are watched from the trough of the second on
PATIENCE = 30.0  # seconds for one answer: a stopped target must not hold the run
MARK_PATIENCE = 1.0  # seconds
SERIES = (  # what becomes a series of its own: key of the answer, name, unit
    ("traced_bytes", "python_heap", "bytes"),
    ("gc_objects", "gc_objects", "count"),
    ("tasks", "tasks", "count"),
    ("tmp_files", "tmp_files", "count"),
    ("tmp_bytes", "tmp_bytes", "bytes"),
    ("malloc", "malloc", "bytes"),
    ("malloc_free", "malloc_free", "bytes"),
    ("pymalloc_free", "pymalloc_free", "bytes"),
    ("mapped_files", "mapped_files", "bytes"),
    ("rss_trimmed", "rss_trimmed", "bytes"),
)
FILES = frozenset({"tmp_files", "tmp_bytes"})
SAMPLER_RESTARTED = "sampler_restarted"  # event: a new segment begins
GATING = frozenset({"python_heap", "tasks", "tmp_files"})


@dataclass(frozen=True, slots=True)
class Moment:
    """When a reading is taken: seconds since the run began, the cycle and the segment.

    `outside`: what was seen then of the series that an agent knows most of, but not what C code or a child that is no
    Python made. Each is a lower bound, and the larger is nearer to what there is.
    """

    t: float
    cycle: int
    segment: int
    outside: Mapping[str, float] = field(default_factory=dict)


class TroughReader:
    """Finds the agents of the target's processes, asks each for a reading, and turns answers into rows."""

    def __init__(self, agent_dir: Path, config: AgentConfig) -> None:
        self.client = AgentClient(agent_dir)
        self._config = config
        self._known: dict[tuple[int, int], dict[str, Any]] = {}  # hello by pid and start time
        self.suspects = Suspects()
        self._holders = HolderAsker(self.client, config.longest_pause) if config.holders else None
        self._rows: queue.SimpleQueue[Record] = queue.SimpleQueue()
        self._silent: queue.SimpleQueue[tuple[int, int]] = queue.SimpleQueue()  # from the thread that asks
        self._thread: threading.Thread | None = None
        self._restarts: dict[tuple[int, int], int] = {}  # of the heap sampler, by pid and start time

    @property
    def hellos(self) -> Sequence[Mapping[str, Any]]:
        """What each agent said of itself."""
        return tuple(self._known.values())

    def meet(self, processes: Sequence[Process], cycle: int = 0) -> dict[int, Excluded]:
        """Say hello to agents not met yet; what of the agent has to be left out of each process's counts.

        What they see allocated from now on was born in `cycle`; what was there before was born in none (-1).
        """
        if self._thread is None:
            self._forget_gone({process.key for process in processes})
            for process in processes:
                hello = None if process.key in self._known else self._hello(process.pid, cycle)
                if hello is not None:
                    self._known[process.key] = hello
        return {pid: _excluded(hello) for (pid, _), hello in self._known.items()}

    def _hello(self, pid: int, cycle: int) -> dict[str, Any] | None:
        """What the agent says of itself, of the connection that is there afterwards: None when it does not answer."""
        hello = self.client.connect(pid)
        if hello is not None:
            try:
                self.client.request(pid, "mark", cycle=cycle, timeout=MARK_PATIENCE)
            except AgentError:  # that has closed the connection: the next one is another socket in the target
                hello = self.client.connect(pid)
        return hello

    def _forget_gone(self, present: set[tuple[int, int]]) -> None:
        """Hang up on processes that have ended, and on agents that did not answer: those are met anew.

        A new connection is another socket in the target, which only a new hello tells to leave out of the counts.
        """
        while not self._silent.empty():
            self._known.pop(self._silent.get_nowait(), None)
        for pid, start_time in self._known.keys() - present:
            del self._known[pid, start_time]
            self._restarts.pop((pid, start_time), None)
            self.client.drop(pid)

    def start(self, moment: Moment, processes: Sequence[Process]) -> Iterator[Record]:
        """Begin the reading of a trough, if an agent is there; a gap when the last one has not ended."""
        wanted = self._agents_among(processes)
        if self._thread is not None:
            yield EventRow("reading_gap", moment.t, moment.t, {"why": "last_reading_not_ended"})
        elif wanted:
            self._begin(moment, wanted)

    def _begin(self, moment: Moment, wanted: Sequence[Process]) -> None:
        self._thread = threading.Thread(target=self._read_all, args=(moment, wanted), name="trough-reader", daemon=True)
        self._thread.start()

    def poll(self) -> Iterator[Record]:
        """The rows that have come in since the last call."""
        if self._thread is not None and not self._thread.is_alive():
            self._thread = None
        while not self._rows.empty():
            yield self._rows.get_nowait()

    def finish(self, t: float, processes: Sequence[Process]) -> Iterator[Record]:
        """Wait for a reading under way, then its rows, and who holds what has grown."""
        if self._thread is not None:
            self._thread.join(2 * PATIENCE)
        yield from self.poll()
        if self._holders is not None and self._thread is None:
            yield from self._holders.ask(self._agents_among(processes), t)

    def close(self) -> None:
        """Hang up; the agents go on waiting in the target."""
        self.client.close()

    def _agents_among(self, processes: Sequence[Process]) -> list[Process]:
        return [process for process in processes if process.key in self._known]

    def _read_all(self, moment: Moment, processes: Sequence[Process]) -> None:
        totals: dict[str, float] = {}
        unknown: set[str] = set()
        for process in processes:
            answer = self._ask(process, moment)
            if answer is None:
                return  # a total without one of its parts would be a fall that never was: the gap says nothing at all
            self._note_restart(process, answer.get("heap_restarts", 0), moment)
            answer.update(allocators(answer.get("native") or {}))
            self._rows.put(reading_row(answer, process, moment))
            self.suspects.note(process.pid, moment.cycle, answer)
            if self._holders is not None:
                self._holders.note(process.pid, answer.get("types", ()))
            for key, name, unit in SERIES:
                if answer.get(key) is not None:
                    totals[name] = totals.get(name, 0.0) + answer[key]
                    self._rows.put(SampleRow(moment.t, name, unit, float(answer[key]), f"{process.pid}:{process.role}"))
                elif key in FILES:
                    unknown.add(name)  # there are too many: a number that no longer grows would read as clean
        for _, name, unit in SERIES:
            if name in totals and name not in unknown:
                value = max(totals[name], moment.outside.get(name, 0.0))
                self._rows.put(SampleRow(moment.t, name, unit, value, gates=name in GATING))
        if self._holders is not None and moment.cycle == WARM_CYCLE:
            self._holders.remember_sizes(processes)

    def _note_restart(self, process: Process, count: int, moment: Moment) -> None:
        """Another tool had taken the heap sampler's hooks off: what was known is lost, nothing is compared across."""
        if count > self._restarts.get(process.key, 0):
            self._restarts[process.key] = count
            self._rows.put(EventRow(SAMPLER_RESTARTED, moment.t, moment.t, {"process": process.pid, "count": count}))

    def _ask(self, process: Process, moment: Moment) -> dict[str, Any] | None:
        """The agent's answer; None, and a gap that says why, when it gives none."""
        try:
            return self.client.request(
                process.pid,
                "read",
                timeout=PATIENCE,
                collect=self._config.collect,
                longest_pause=self._config.longest_pause,
                trim=self._config.trim,
                cycle=moment.cycle,
                top=TOP_SITES,
                types=TOP_TYPES,
            )
        except AgentError as error:
            detail = {"why": "agent_silent", "process": f"{process.pid}:{process.role}", "detail": str(error)}
            self._rows.put(EventRow("reading_gap", moment.t, moment.t, detail))
            self._silent.put(process.key)
            return None


def _excluded(hello: Mapping[str, Any]) -> Excluded:
    return Excluded(threads=len(hello["threads"]), fd_inodes=frozenset(hello["inodes"]))


def _stack(frames: Sequence[Sequence[Any]]) -> Stack:
    return tuple((str(file), int(line), str(function)) for file, line, function in frames)


def allocators(native: Mapping[str, Any]) -> dict[str, float]:
    """What the agent says of the allocators, by the names of the series: bytes in use in malloc, bytes held free."""
    found: dict[str, float] = {}
    if "used" in native:
        found["malloc"] = native["used"] + native["mapped"]
        found["malloc_free"] = native["free"]
    for key, name in (("py_free", "pymalloc_free"), ("files", "mapped_files"), ("rss_trimmed", "rss_trimmed")):
        if key in native:
            found[name] = native[key]
    return found


def reading_row(answer: Mapping[str, Any], process: Process, moment: Moment) -> ReadingRow:
    """One agent's answer as the store wants it; the pauses one by one go into `detail`."""
    return ReadingRow(
        t=moment.t,
        cycle=moment.cycle,
        process=f"{process.pid}:{process.role}",
        segment=moment.segment,
        agent_mode=str(answer.get("mode", "off")),
        frames=answer.get("frames"),
        collected=answer.get("collected") is not None,
        pause_ms=answer.get("pause_ms"),
        traced_bytes=answer.get("traced_bytes"),
        agent_bytes=answer.get("agent_bytes"),
        gc_objects=answer.get("gc_objects"),
        tasks=answer.get("tasks"),
        threads=answer.get("threads"),
        sites=tuple(_site(site) for site in answer.get("sites", ())),
        types=tuple(TypeRow(kind["type"], kind["count"], kind.get("bytes")) for kind in answer.get("types", ())),
        handles=tuple(_handle(handle) for handle in answer.get("handles", ())),
        warnings=tuple(answer.get("warnings", ())),
        detail={"pauses_ms": answer.get("pauses_ms", {}), "native": answer.get("native"), "cost": answer.get("cost")},
    )


def _site(site: Mapping[str, Any]) -> SiteRow:
    return SiteRow(
        stack=_stack(site["stack"]),
        bytes=float(site["bytes"]),
        count=float(site["count"]),
        error=site.get("error"),
        partial=bool(site.get("partial", False)),
        domain=site.get("domain", "python"),
        births={int(cycle): int(size) for cycle, size in (site.get("births") or {}).items()},
    )


def _handle(handle: Mapping[str, Any]) -> HandleRow:
    detail = handle.get("detail") or ""
    text = detail if isinstance(detail, str) else json.dumps(detail, separators=(",", ":"))
    return HandleRow(handle["kind"], handle["count"], _stack(handle["stack"]), text)
