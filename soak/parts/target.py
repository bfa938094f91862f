"""The target of a run: started, watched, restarted where that is wanted, ended."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import soak_agent
import soak_heap
from soak.errors import SoakError
from soak.launch.ending import Exit
from soak.launch.readiness import readiness
from soak.nodeguest import node_environment
from soak.parts.base import NEVER, Run, grid
from soak.places import private_folder
from soak.planning import sampling_interval
from soak.resume import CutOff
from soak.target import AttachedTarget, TargetProcess, make_target
from soak_probes import ProcessTree
from soak_probes.ceilings import ceilings
from soak_storage.records import EventRow, OwnedRow, SegmentRow

WATCH_OFTEN, WATCH_SELDOM = 0.5, 1.0  # seconds between two looks at whether it still runs: with the samples
START_LOOK = 0.05  # seconds between two looks while it starts
QUICK = 10.0  # seconds: a target that ends sooner after a restart (or within a cycle) has not recovered
MOST_QUICK = 3  # quick ends one after another: then the run is over, for nothing can be learned from it
CEILING_NAMES = {"rss": "memory"}  # how the report calls them, where the probe names the series


@dataclass(frozen=True, slots=True)
class _Down:
    """The target is away: how it ended, and when; times are run time."""

    gone: Exit
    since: float
    started: float | None = None  # when its successor was started or found, which may not be ready yet


class TargetPart:
    """Starts or finds the target; when it ends, waits for its successor or ends the run."""

    def __init__(self, run: Run, agent_dir: Path, cut_off: CutOff | None = None) -> None:
        """`cut_off`: go on with that run's target, which is the process that it was."""
        self._run = run
        self._cut_off = cut_off
        self._own_agent_dir = agent_dir
        self.target = make_target(run.config.target)
        self._every = min(max(run.config.sample.interval, WATCH_OFTEN), WATCH_SELDOM)
        self._next = 0.0
        self._oom_kills = 0
        self._down: _Down | None = None
        self._back_since = 0.0
        self._quick_ends = 0

    @property
    def agent_dir(self) -> Path:
        """Where the agents listen that soak puts into it."""
        return self._own_agent_dir

    def initialize(self) -> None:
        """Start it, wait until it is ready, begin the first segment."""
        run = self._run
        verb = "going on with" if self._cut_off else "starting" if self.target.owned else "attaching to"
        run.listener.message(f"run {run.id}: {verb} {run.config.target.name}")
        private_folder(run.folder)
        if self._cut_off is not None and isinstance(self.target, AttachedTarget):
            self.target.take(self._cut_off.roots)
        else:
            self.target.start(run.folder, self._agent_environment())
        self._own(gone=False)
        began = run.clock.monotonic()
        while not run.stopping() and not self.target.ready(run.clock.monotonic() - began):
            run.clock.sleep(START_LOOK)
        self._take_facts()
        run.keep_target()  # now, too: a run that is cut off shows them
        if self._cut_off is None:
            run.put([SegmentRow(0, 0.0, "start")])
        else:
            run.put([EventRow("gap", self._cut_off.last, run.now, {"why": "soak_restarted"})])

    @property
    def answers(self) -> Callable[[], bool] | None:
        """How to ask whether it is up; None when it has no url."""
        asked = readiness(self._run.config.target.url, self._run.config.target.ready)
        return asked[0] if asked else None

    def restart(self) -> None:
        """Stop it and start it again on purpose; it is waited for like one that came back by itself."""
        if self._down is None and isinstance(self.target, TargetProcess):
            self._start_again(Exit("exit", 0, "restarted on purpose"), max(0.0, self._run.now))

    def tree(self) -> ProcessTree:
        """The processes that the target consists of, as they are now."""
        tree = ProcessTree(
            self.target.roots,
            reaper_pid=self.target.reaper_pid,
            follow=self._run.config.target.children,
            members=self.target.members,
        )
        tree.refresh()
        return tree

    def due(self, now: float) -> float:
        """Twice a second, or once where samples are not taken more often either: every wake-up costs."""
        return self._next

    def loop(self, now: float) -> None:
        """Look whether it still runs, and whether the kernel killed a part of it for memory."""
        if now < self._next:
            return
        self._next = grid(now, self._every)
        self._count_oom_kills(now)
        if self._down is not None:
            self._await_return(self._down, now)
            return
        gone = self.target.poll()
        if gone is not None:
            self._ended(gone, now)

    def shutdown(self) -> None:
        """End it, if it is ours."""
        self.target.stop()
        self._own(gone=True)

    def abandon(self) -> None:
        """Leave its end to the warden."""
        self.target.abandon()

    def _count_oom_kills(self, now: float) -> None:
        kills = self.target.oom_kills()
        if kills > self._oom_kills:
            self._run.put([EventRow("oom", max(0.0, now), detail={"kills": kills - self._oom_kills})])
        self._oom_kills = kills

    # ----------------------------------------------------------------------------------------------------- its end

    def _ended(self, gone: Exit, now: float) -> None:
        """It has ended: start it again, look for its successor, or end the run."""
        run = self._run
        run.put([EventRow("exit", max(0.0, now), detail=asdict(gone))])
        quick = now - self._back_since < min(QUICK, run.cycle_seconds)
        self._quick_ends = self._quick_ends + 1 if quick else 0
        if not self._may_return(gone) or self._quick_ends >= MOST_QUICK:
            raise self._final(gone, now)
        self._down = _Down(gone, max(0.0, now))
        if isinstance(self.target, TargetProcess):
            self._start_again(gone, max(0.0, now))
        else:
            run.listener.message(f"the target ended in cycle {run.cycle + 1}; waiting for its successor")

    def _start_again(self, gone: Exit, since: float) -> None:
        run = self._run
        assert isinstance(self.target, TargetProcess)
        run.listener.message(f"cycle {run.cycle + 1}: the target {gone.message}; it is started again")
        self._own(gone=True)
        self.target.restart()
        self._own(gone=False)
        self._down = _Down(gone, since, run.now)  # what the old one took to stop is not the new one's time

    def _may_return(self, gone: Exit) -> bool:
        """A started one when `target.restart` says so; an attached one may be restarted by whoever runs it."""
        if isinstance(self.target, TargetProcess):
            return self._run.config.target.restart == "on-failure" and gone.failed
        return self._run.config.target.pid is None

    def _await_return(self, down: _Down, now: float) -> None:
        """Go on with it in a new segment once it is ready. SoakError when it does not come back in time."""
        started = down.started
        if started is None:
            assert isinstance(self.target, AttachedTarget)
            if not self.target.find_again():
                if now - down.since >= self._run.config.target.startup_timeout:
                    raise self._final(down.gone, now)
                return
            started = now
            self._down = _Down(down.gone, down.since, started)
        if self.target.ready(now - started):
            self._returned(down, now)

    def _returned(self, down: _Down, now: float) -> None:
        run = self._run
        self._down = None
        self._back_since = now
        self._oom_kills = self.target.oom_kills()
        run.segment += 1
        detail = {"why": down.gone.message, "pids": [pid for pid, _ in self.target.roots]}
        run.put(
            [
                EventRow("restart", down.since, now, detail),
                SegmentRow(run.segment, now, f"restart: {down.gone.message}"),
            ]
        )
        self._take_facts()
        run.listener.message(f"the target is back after {now - down.since:.1f} s")

    def _final(self, gone: Exit, now: float) -> SoakError:
        """The end of the run; the cycle by the clock, for its turn may not have been taken note of yet."""
        cycle = min(int(max(0.0, now) // self._run.cycle_seconds), self._run.config.load.cycles - 1)
        self._next = NEVER
        code = "target_killed" if gone.kind == "oom" else "target_died"
        log = self.target.log_path or "its own log"
        return SoakError(code, cycle=cycle + 1, why=gone.message, log=log)

    # ------------------------------------------------------------------------------------------------ what is known

    def _take_facts(self) -> None:
        """Its process ids and what the system allows it."""
        run = self._run
        run.pids = list(dict.fromkeys([*run.pids, *(pid for pid, _ in self.target.roots)]))
        run.roots = () if self.target.owned else self.target.roots
        found = ceilings(self.target.roots[0][0])
        run.ceilings = {CEILING_NAMES.get(name, name): ceiling.limit for name, ceiling in found.items()}
        run.ceilings["machine"] = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")

    def _own(self, *, gone: bool) -> None:
        if self.target.owned:
            self._run.put(OwnedRow(pid, start, "target", gone=gone) for pid, start in self.target.roots)

    def _agent_environment(self) -> Mapping[str, str]:
        config = self._run.config
        if config.agent.enabled == "off":
            return {}
        base = {**os.environ, **config.target.env}
        agent = soak_agent.environment(
            self._own_agent_dir,
            base_env=base,
            heap=config.agent.heap,
            frames=config.agent.frames,
            handles=config.agent.handles,
            interval=sampling_interval(config),
        )
        native = native_environment(base) if config.agent.native else {}
        node = node_environment(config.target.command, base) if config.agent.collect else {}
        return {**agent, **native, **node}


def native_environment(base: Mapping[str, str]) -> dict[str, str]:
    """What puts the heap sampler below malloc and mmap, too, before what the target preloads itself.

    Raises SoakError `sampler_missing` when the library was not built.
    """
    library = Path(soak_heap.__file__).with_name("_soak_heap_preload.so")
    if not library.exists():
        raise SoakError("sampler_missing", path=library)
    return {"LD_PRELOAD": ":".join(filter(None, [str(library), base.get("LD_PRELOAD", "")]))}
