"""Checks of the plan: can these limits be decided in these cycles, and what would decide them?"""

from __future__ import annotations

import math

from soak.analysis import cycles_to_decide
from soak.config import Config, Growth, format_duration
from soak.doctor.finding import Finding
from soak.load.plan import LoadPlan
from soak.planning import COUNT_NOISE, RSS_NOISE, limits_of

CHECKS = {
    "load": "the load in a sentence",
    "limits": "each growth limit can be decided in the planned cycles, or what would decide it",
}
_STEPS = 40  # halvings of the search: a millionth of its range
_HOUR = 3600.0


def examine(config: Config) -> list[Finding]:
    """The load in words, then each growth limit."""
    plan = LoadPlan.from_config(config)
    load = config.load
    # How many requests users get through is for the target to decide, and nobody knows it before.
    requests = 0.0 if plan.closed else plan.shape().due(load.cycle)
    length = format_duration(load.cycle * load.cycles)
    counted = f", {requests:.0f} requests in each" if requests else ""
    said = f"{plan.shape().sentence()}; {load.cycles} cycles, {length}{counted}"
    found = [Finding("plan", "load", "ok", said)]
    alike: dict[tuple[bool, float, str], list[str]] = {}
    for name, growth in limits_of(config).items():
        alike.setdefault((name == "growth", growth.value, growth.per), []).append(name)
    limits = limits_of(config)
    return [*found, *(_limit(names, limits[names[0]], config, requests) for names in alike.values())]


def _limit(names: list[str], growth: Growth, config: Config, requests: float) -> Finding:
    """One line for limits that are spelled alike: what decides one of them decides all."""
    load, name = config.load, names[0]
    per_hour = growth.per_hour(load.cycle, requests * _HOUR / load.cycle)
    spelled = f"{', '.join(names)} {_number(name, growth.value)}/{growth.per}"
    if per_hour is None:
        return Finding("plan", "limits", "skip", f"{spelled}: depends on how many requests users get through")
    if per_hour == 0:
        return Finding("plan", "limits", "warn", f"{spelled}: nothing can be shown to be below 0", "Write more than 0.")
    cycles = _cycles(name, per_hour, load.cycle)
    if cycles is not None and cycles <= load.cycles:
        return Finding("plan", "limits", "ok", f"{spelled}: {cycles} cycles ({_length(cycles, load.cycle)}) decide it")
    takes = f"takes {cycles} cycles, {_length(cycles, load.cycle)}" if cycles else "takes more than 48 cycles"
    return Finding(
        "plan", "limits", "warn", f"{spelled}: {takes}; {load.cycles} are planned", _mend(names, config, requests)
    )


def _mend(names: list[str], config: Config, requests: float) -> str:
    """The smallest limit per cycle and per request that the planned cycles decide."""
    name = names[0]
    least = least_per_cycle(name, config.load.cycle, config.load.cycles)
    if least is None:
        return "Plan more cycles: no limit can be decided in so few."
    said = f'{name}{" and the others" * (len(names) > 1)} = "{_number(name, least)}/cycle"'
    if requests >= 1:
        said += f' or "{_number(name, least / requests)}/request"'
    return f"More or longer cycles; in these, {said} would be decided."


def least_per_cycle(name: str, cycle: float, cycles: int) -> float | None:
    """The smallest limit per cycle (bytes or counts) that is decided in so many cycles; None when none is."""
    low, high = 0.0, 1e12
    if not _decided(name, high, cycle, cycles):
        return None
    for _ in range(_STEPS + 40):
        middle = (low + high) / 2 if low else high / 16
        if _decided(name, middle, cycle, cycles):
            high = middle
        else:
            low = middle
        if low and high / low < 1.01:
            break
    return _rounded_up(high)


def _decided(name: str, per_cycle: float, cycle: float, cycles: int) -> bool:
    needed = _cycles(name, per_cycle * _HOUR / cycle, cycle)
    return needed is not None and needed <= cycles


def _cycles(name: str, per_hour: float, cycle: float) -> int | None:
    if name == "growth":
        return cycles_to_decide(per_hour, cycle, RSS_NOISE, "bytes")
    return cycles_to_decide(per_hour, cycle, COUNT_NOISE, "count")


def _rounded_up(value: float) -> float:
    """Two significant digits, upwards."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return math.ceil(value / unit) * unit


def _number(name: str, value: float) -> str:
    if name != "growth":
        return f"{value:.2g}"
    for unit, size in (("MB", 2**20), ("KB", 2**10)):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{max(1, math.ceil(value))}B"


def _length(cycles: int, cycle: float) -> str:
    return format_duration(cycles * cycle)
