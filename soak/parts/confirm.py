"""A short window of load under tracemalloc after the last judged cycle: are the suspect lines the ones that leak?

It has a segment of its own and is never compared with what was judged. Only in a target that soak started, and only
when there are suspects: tracemalloc multiplies what allocations cost.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from soak.load import LoadGenerator, LoadPlan
from soak.parts.base import Run
from soak.places import private_file
from soak.troughs import TOP_SITES, Moment, reading_row
from soak_probes import Process, start_time_of
from soak_probes.agent_client import AgentClient, AgentError
from soak_storage.records import EventRow, OwnedRow, ReadingRow, SegmentRow

SHARE = 0.25  # of a cycle
SHORTEST, LONGEST = 5.0, 120.0  # seconds
QUIET = 0.2  # of the window
LEAD = 1.0  # seconds for the load worker to start
LOOK = 0.1  # seconds between two looks at the load
PATIENCE = 60.0  # seconds for one answer: a reading of a traced heap takes some
BLOCK_BYTES = 98  # of tracemalloc's tables, for each block: as if the whole heap were allocated anew meanwhile
MOST = 4  # processes: of a pre-fork server, the workers do the same
BUSY = 0.8  # of a core that the target may take under tracemalloc; beyond it the load would not land
# By what tracemalloc multiplies the CPU of a Python service, by frames (measured; lines are decoded anew since 3.11).
COSTS = {True: {25: 40.0, 5: 10.0, 1: 4.5}, False: {25: 5.0, 5: 2.6, 1: 2.1}}


@dataclass(frozen=True, slots=True)
class Window:
    """How the suspects are looked at: seconds with its quiet part, frames of tracemalloc."""

    seconds: float
    quiet: float
    frames: int


def window_for(cycle: float, cpu: float, python: str) -> Window:
    """The window for cycles of so many seconds and a target that takes `cpu` of a core at most, on that Python."""
    seconds = min(max(SHARE * cycle, SHORTEST), LONGEST)
    parts = tuple(int(part) for part in python.split(".")[:2] if part.isdigit())
    costs = COSTS[parts >= (3, 11)]
    frames = next((frames for frames, factor in costs.items() if cpu * factor <= BUSY), 1)
    return Window(seconds, max(1.0, QUIET * seconds), frames)


class Confirmation:
    """Runs one window."""

    def __init__(self, run: Run, plan: LoadPlan, client: AgentClient, window: Window) -> None:
        self._run = run
        self._client = client
        self._window = window
        counts = (replace(one, count=one.count and max(1, round(one.count * SHARE))) for one in plan.scenarios)
        self._plan = replace(
            plan, cycle=window.seconds, quiet=window.quiet, cycles=1, scenarios=tuple(counts), workers=1
        )

    def records(self, processes: Sequence[Process]) -> Iterator[SegmentRow | ReadingRow | EventRow | OwnedRow]:
        """The segment, a reading of each process, and a note on what was done; nothing where no process allows it."""
        run = self._run
        began = run.now
        ready = [process for process in processes[:MOST] if self._trace(process.pid)]
        if not ready:
            return
        run.segment += 1
        run.listener.message(f"looking at suspect places again: {self._window.seconds:g} s of load under tracemalloc")
        yield SegmentRow(run.segment, began, "confirmation of suspect places", "tracemalloc")
        landed = yield from self._load()
        for process in ready:
            answer = self._ask(process.pid, "read", collect=True, native=False, top=TOP_SITES)
            if answer is not None and landed:
                moment = Moment(run.now, run.config.load.cycles, run.segment)
                yield replace(reading_row(answer, process, moment), phase="confirm")
        frames = f"{self._window.frames} frame{'s' if self._window.frames > 1 else ''}"
        note = f"after the last cycle {landed} requests were sent under tracemalloc ({frames}) to confirm the places"
        yield EventRow("agent", began, run.now, {"note": note, "confirmation": {"landed": landed}})

    def _trace(self, pid: int) -> bool:
        """Switch tracemalloc on, where there is room for its tables."""
        answer = self._ask(pid, "heap", mode="tracemalloc", frames=self._window.frames, block_bytes=BLOCK_BYTES)
        return answer is not None and answer.get("heap_mode") == "tracemalloc"

    def _ask(self, pid: int, op: str, **args: object) -> dict[str, Any] | None:
        try:
            return self._client.request(pid, op, timeout=PATIENCE, **args)
        except AgentError as error:
            self._run.listener.message(f"note: process {pid} was not looked at again: {error}")
            return None

    def _load(self) -> Generator[OwnedRow, None, int]:
        """Drive the window; returns how many requests landed."""
        run = self._run
        generator = LoadGenerator(self._plan, log_path=private_file(run.folder / "load-confirm.log"))
        end = run.clock.monotonic() + LEAD + self._window.seconds
        landed = 0
        try:
            generator.start(end - self._window.seconds)
            yield from (OwnedRow(pid, start_time_of(pid) or 0, "load worker") for pid in generator.pids)
            while run.clock.monotonic() < end and not run.stopping():
                run.clock.sleep(LOOK)
                landed += sum(delta.landed for delta in generator.poll())
            generator.stop(self._plan.timeout + 1.0)
            landed += sum(delta.landed for delta in generator.poll())
        finally:
            generator.close()
        return landed
