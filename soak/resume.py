"""Goes on with a run that a crash of soak has cut off, when its target was attached and is still the same process.

A target that soak had started dies with soak: such a run is closed as interrupted. One that only was looked at lives
on, and so does what was learned about it: the run goes on in the same segment, with a gap where nobody looked.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soak.config import Config
from soak_probes import start_time_of
from soak_storage import Store
from soak_storage.records import RunInfo

LEAST = 2.0  # seconds that must be left of a run: the load takes one to begin
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class CutOff:
    """A run that can go on: what has to be known of it. `zero` is CLOCK_MONOTONIC at t = 0, `last` in run time."""

    run_id: int
    zero: float
    roots: tuple[tuple[int, int], ...]
    pids: tuple[int, ...]
    python: str | None
    segment: int
    last: float  # when it was last sampled


def place_in_time(zero: float, roots: tuple[tuple[int, int], ...]) -> dict[str, Any]:
    """What a run stores of itself so that it can be found again: the clock holds until the machine is booted anew."""
    return {"zero": zero, "boot": _boot(), "roots": [list(root) for root in roots]}


def take_over(
    store: Store, config: Config, host: str, is_alive: Callable[[int, int], bool], now: float
) -> CutOff | None:
    """The run of this host and configuration that a crash cut off, if it can go on: it is this process's from here on.

    `now` is CLOCK_MONOTONIC. None when there is none, its target has ended or was soak's own, or its time is over.
    """
    if config.target.command:
        return None
    for summary in store.running():
        if summary.host != host or summary.name != config.target.name or _is_owned(summary, is_alive):
            continue
        run = store.run(summary.id)
        found = _cut_off(store, run, config)
        length = config.load.cycle * config.load.cycles
        if found is not None and all(is_alive(*root) for root in found.roots) and now - found.zero < length - LEAST:
            pid = os.getpid()
            store.resume_run(run.id, pid, start_time_of(pid) or 0, config.to_json())
            return found
    return None


def _cut_off(store: Store, run: RunInfo, config: Config) -> CutOff | None:
    known: Mapping[str, Any] = run.target
    same = run.config == store.as_stored(config.to_json())
    if not (same and known.get("roots") and known.get("boot") == _boot()):
        return None
    series = [info.id for info in store.series(run.id) if info.process == "total"]
    return CutOff(
        run_id=run.id,
        zero=float(known["zero"]),
        roots=tuple((int(pid), int(start)) for pid, start in known["roots"]),
        pids=tuple(known.get("pids", ())),
        python=known.get("python"),
        segment=max((segment.number for segment in store.segments(run.id)), default=0),
        last=store.last_sample(series),
    )


def _is_owned(run: Any, is_alive: Callable[[int, int], bool]) -> bool:
    return run.owner_pid is not None and is_alive(run.owner_pid, run.owner_start or 0)


def _boot() -> str:
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""
