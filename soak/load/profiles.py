"""The profiles of soak.toml: which shape stands behind each name, and its usual figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from soak.load.shapes import Capacity, Constant, Ramp, Sawtooth, Shape, Silence, Spike, Steps

if TYPE_CHECKING:
    from soak.load.plan import LoadPlan

STEP_COUNT = 5  # levels of "steps" when none were written


@dataclass(frozen=True, slots=True)
class Named:
    """A workload known by name: `users` that each send one request per `pace` seconds, for `minutes`."""

    users: int
    pace: float
    minutes: float


NAMED = {
    "baseline": Named(1, 1.0, 5),
    "normal": Named(10, 1.0, 15),
    "peak": Named(50, 1.0, 10),
    "stress": Named(100, 1.0, 10),
}


def is_closed(profile: str, users: int | None) -> bool:
    """True when the profile counts users and not arrivals."""
    return users is not None or profile in NAMED


def pace_of(profile: str) -> float:
    """Seconds between the starts of one user's requests at the earliest; 0: one right after the other."""
    return NAMED[profile].pace if profile in NAMED else 0.0


def _steps(low: float, high: float) -> tuple[float, ...]:
    return tuple(low + (high - low) * i / (STEP_COUNT - 1) for i in range(STEP_COUNT))


Maker = Callable[["LoadPlan", float, float, str], Shape]
MAKERS: dict[str, Maker] = {
    "sawtooth": lambda p, low, high, unit: Sawtooth(p.cycle, p.quiet, low, high, unit),
    "constant": lambda p, low, high, unit: Constant(p.cycle, p.quiet, high, unit),
    "ramp": lambda p, low, high, unit: Ramp(p.cycle, p.quiet, low, high, p.cycles, unit),
    "steps": lambda p, low, high, unit: Steps(p.cycle, p.quiet, p.levels or _steps(low, high), unit),
    "spike": lambda p, low, high, unit: Spike(p.cycle, p.quiet, low, high, unit),
    "capacity": lambda p, low, high, unit: Capacity(p.cycle, p.quiet, low, p.cycles, unit=unit),
    "none": lambda p, low, high, unit: Silence(p.cycle),
}


def shape_of(plan: LoadPlan) -> Shape:
    """The shape of the plan; in a closed model `users` takes the place of `high`, and one user that of `low`."""
    if plan.profile in NAMED:
        return Constant(plan.cycle, plan.quiet, plan.users or NAMED[plan.profile].users, "users")
    if plan.users is not None:
        return MAKERS[plan.profile](plan, 1.0, float(plan.users), "users")
    return MAKERS[plan.profile](plan, plan.low, plan.high, "requests/s")
