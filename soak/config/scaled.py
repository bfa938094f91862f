"""Defaults that scale with the cycle, and the notes that say so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from soak.config.limits import COUNTS, MEGABYTE, Cleanup, Growth, Limits
from soak.config.model import SampleConfig
from soak.config.scenario import LoadConfig
from soak.config.units import format_duration

SHORT_CYCLE = 30 * 60.0  # below this a limit per hour is less than the noise of one floor
_QUIET_SHARE, _QUIET_LEAST, _QUIET_MOST = 0.15, 3.0, 600.0
_SAMPLES_PER_CYCLE, _INTERVAL_LEAST, _INTERVAL_MOST = 120, 0.25, 5.0


def scaled_load(load: LoadConfig, written: frozenset[str]) -> LoadConfig:
    """The load with `quiet`, `timeout` and `low` made to fit where they were not written (seconds, requests/s)."""
    changes: dict[str, Any] = {}
    if "quiet" not in written:
        quiet = min(max(_QUIET_SHARE * load.cycle, _QUIET_LEAST), _QUIET_MOST)
        changes["quiet"] = min(quiet, load.cycle / 2)  # of a cycle below 6 s half is quiet
    if "timeout" not in written:
        changes["timeout"] = min(load.timeout, load.cycle)
    if "low" not in written:
        changes["low"] = min(load.low, load.high)
    return replace(load, **changes)


def scaled_sample(sample: SampleConfig, written: frozenset[str], load: LoadConfig) -> SampleConfig:
    """The sampling interval, seconds: cycle/120 between 250 ms and 5 s where it was not written."""
    if "interval" in written:
        return sample
    interval = min(max(load.cycle / _SAMPLES_PER_CYCLE, _INTERVAL_LEAST), _INTERVAL_MOST)
    return replace(sample, interval=min(interval, load.quiet / 2))


def scaled_limits(limits: Limits, written: frozenset[str], load: LoadConfig) -> tuple[Limits, tuple[str, ...]]:
    """Limits per cycle where none was written and cycles are below 30 minutes, and the note that says so."""
    changes: dict[str, Any] = {}
    if "cleanup" not in written:
        changes["cleanup"] = Cleanup(min(limits.cleanup.grace, load.quiet))
    if load.cycle >= SHORT_CYCLE:
        return replace(limits, **changes), ()
    counts = [name for name in COUNTS if name not in written]
    changes.update(dict.fromkeys(counts, Growth(0.5, "cycle")))
    said = [f"0.5/cycle ({', '.join(counts)})"] if counts else []
    if "growth" not in written:
        changes["growth"] = Growth(float(MEGABYTE), "cycle")
        said.insert(0, "1MB/cycle (growth)")
    if not said:
        return replace(limits, **changes), ()
    note = (
        f"cycles of {format_duration(load.cycle)} are below 30 minutes, so limits that are not written are per cycle: "
        + ", ".join(said)
    )
    return replace(limits, **changes), (note,)
