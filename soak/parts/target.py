"""The target of a run: started, watched, restarted where that is wanted, ended."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import soak_agent
from soak.errors import SoakError
from soak.launch.ending import Exit
from soak.parts.base import NEVER, Run
from soak.places import private_folder
from soak.planning import sampling_interval
from soak.target import Target, make_target
from soak_probes import ProcessTree
from soak_storage.records import EventRow, OwnedRow, SegmentRow

WATCH_EVERY = 0.5  # seconds between two looks at whether it still runs


class TargetPart:
    """Starts or finds the target; ends the run when the target ends."""

    def __init__(self, run: Run, agent_dir: Path) -> None:
        self._run = run
        self._agent_dir = agent_dir
        self.target: Target = make_target(run.config.target)
        self._next = 0.0
        self._oom_kills = 0

    def initialize(self) -> None:
        """Start it, wait until it is ready, begin the first segment."""
        run = self._run
        run.listener.message(f"run {run.id}: starting {run.config.target.name}")
        private_folder(run.folder)
        self.target.start(run.folder, self._agent_environment())
        self._own(gone=False)
        self.target.wait_ready()
        run.pids = [pid for pid, _ in self.target.roots]
        run.put([SegmentRow(0, 0.0, "start")])

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
        """Twice a second."""
        return self._next

    def loop(self, now: float) -> None:
        """Look whether it still runs, and whether the kernel killed a part of it for memory."""
        if now < self._next:
            return
        self._next = now + WATCH_EVERY
        kills = self.target.oom_kills()
        if kills > self._oom_kills:
            self._oom_kills = kills
            self._run.put([EventRow("oom", max(0.0, now), detail={"kills": kills})])
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

    def _ended(self, gone: Exit, now: float) -> None:
        """Tell how it ended, and end the run."""
        self._next = NEVER
        run = self._run
        run.put([EventRow("exit", max(0.0, now), detail=asdict(gone))])
        code = "target_killed" if gone.kind == "oom" else "target_died"
        log = self.target.log_path or "its own log"
        raise SoakError(code, cycle=run.cycle + 1, why=gone.message, log=log)

    def _own(self, *, gone: bool) -> None:
        if self.target.owned:
            self._run.put(OwnedRow(pid, start, "target", gone=gone) for pid, start in self.target.roots)

    def _agent_environment(self) -> Mapping[str, str]:
        config = self._run.config
        if config.agent.enabled == "off":
            return {}
        return soak_agent.environment(
            self._agent_dir,
            base_env={**os.environ, **config.target.env},
            heap=config.agent.heap,
            frames=config.agent.frames,
            handles=config.agent.handles,
            interval=sampling_interval(config),
        )
