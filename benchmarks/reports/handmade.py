"""What every run that is made by hand has in common, for this benchmark and for the tests of the report."""

from __future__ import annotations

from collections.abc import Iterable

from soak.load.histogram import Histogram

MB = 1024 * 1024
STARTED = 1_800_000_000.0  # wall time
_RISES = 0.6  # of a cycle: until then the load rises, after that it stays


def load_at(t: float, cycle_seconds: float, quiet_seconds: float) -> float:
    """The load, 0 to 1, `t` seconds after the run began; 0 in the quiet phase."""
    phase = (t / cycle_seconds) % 1.0
    return min(1.0, phase / _RISES) if phase < 1 - quiet_seconds / cycle_seconds else 0.0


def answered(count: int, first: float, step: float) -> bytes:
    """A histogram of that many response times: `first` seconds, and each `step` more than the one before."""
    times = Histogram()
    for number in range(count):
        times.record(first + step * number)
    return times.to_bytes()


def limits(per: str, counts: Iterable[str]) -> dict[str, object]:
    """The default limits, as the configuration of a run is stored: 1 MB, and half a handle of each kind."""
    half = {name: {"value": 0.5, "per": per, "written": False} for name in counts}
    return {"growth": {"value": float(MB), "per": per, "written": False}, **half}
