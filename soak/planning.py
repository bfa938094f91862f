"""Before a run: can its limits be decided in the planned cycles?

As a program (`python -m soak.planning`, JSON on stdin and stdout) it is the short-lived process that loads numpy.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from soak.config import Config, Growth, format_size
from soak.config.scaled import SHORT_CYCLE
from soak.errors import interpreter_unusable
from soak.load import LoadPlan

# Standard deviation of one cycle's floor that a Python service typically shows: rss 0.05 to 0.5 MB (measured on real
# services); counts come back to the same number, or they would not be judged by half of one an hour.
RSS_NOISE = 0.1 * 1024 * 1024
COUNT_NOISE = 0.0
# Bytes between two samples of the heap sampler. A night's cycles bring enough samples at the widest; short cycles bring
# few, and the error of a site goes with one over the root of its samples: 64 of a cycle's allowed growth are 12 %.
WIDEST_INTERVAL = 64 * 1024
NARROWEST_INTERVAL = 8 * 1024
SAMPLES_AT_LIMIT = 64
PATIENCE = 30.0  # seconds; the answer takes a fifth of one


@dataclass(frozen=True, slots=True)
class Plan:
    """One limit and how many cycles it takes to decide it: None is more than 48, out of reach."""

    series: str
    limit: str
    cycles: int | None


def limits_of(config: Config) -> dict[str, Growth]:
    """The growth limits by what they are written as: `growth` for memory, then the counts."""
    limits = config.limits
    names = ("growth", "fds", "sockets", "threads", "tasks", "children", "tmp_files")
    return {name: getattr(limits, name) for name in names}


def undecidable(config: Config) -> list[Plan]:
    """The limits that the planned cycles cannot decide, asked in a process of its own; empty when that took too long.

    SoakError `interpreter_unusable` when there can be no such process.
    """
    cycle = config.load.cycle
    asked = []
    for name, growth in limits_of(config).items():
        per_hour = growth.per_hour(cycle, _requests_per_hour(config))
        if per_hour:
            asked.append({"series": name, "limit": _spelled(name, growth), "per_hour": per_hour})
    plans = _ask({"cycle": cycle, "limits": asked})
    return [plan for plan in plans if plan.cycles is None or plan.cycles > config.load.cycles]


def sampling_interval(config: Config) -> int:
    """Mean bytes allocated between two samples of the heap: narrower where cycles, and so limits, are short."""
    load = config.load
    if load.cycle >= SHORT_CYCLE:
        return WIDEST_INTERVAL
    per_hour = config.limits.growth.per_hour(load.cycle, _requests_per_hour(config)) or 0.0
    fine = int(per_hour * load.cycle / 3600.0 / SAMPLES_AT_LIMIT)
    return min(max(fine, NARROWEST_INTERVAL), WIDEST_INTERVAL)


def _ask(question: Mapping[str, Any]) -> list[Plan]:
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "soak.planning"],
            input=json.dumps(question),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return []  # a warning that comes too late is no reason not to soak
    except OSError as error:
        raise interpreter_unusable(error) from error
    return [Plan(**item) for item in json.loads(done.stdout or "[]")]


def warnings(config: Config) -> list[str]:
    """What is said before a run whose limits cannot be decided in its cycles: why, and what would decide them."""
    plans = undecidable(config)
    planned = config.load.cycles
    said = []
    for cycles in sorted({plan.cycles or 0 for plan in plans}):
        names = ", ".join(f"{plan.series} {plan.limit}" for plan in plans if (plan.cycles or 0) == cycles)
        takes = f"it takes {cycles} (`--cycles {cycles}`)" if cycles else "nor in 48"
        other = "" if names.endswith("/cycle") else "; longer cycles, or a limit per cycle or per request, take fewer"
        said.append(f"{names}: cannot be decided in {planned} cycles, {takes}{other}")
    return said


def _requests_per_hour(config: Config) -> float | None:
    """What the plan sends by its shapes; None where the target decides it (users instead of rates)."""
    plan = LoadPlan.from_config(config)
    if plan.closed or any(scenario.users is not None for scenario in plan.scenarios):
        return None
    shapes = [plan.own_shape(scenario) for scenario in plan.scenarios if not scenario.share]
    due = sum(shape.due(plan.cycle) for shape in (plan.shape(), *shapes))
    return due * 3600.0 / plan.cycle or None


def _spelled(name: str, growth: Growth) -> str:
    value = format_size(growth.value) if name == "growth" else f"{growth.value:g}"
    return f"{value}/{growth.per}"


def answer(question: Mapping[str, Any]) -> Iterable[Plan]:
    """The cycles that each limit takes; loads numpy."""
    from soak.analysis import cycles_to_decide

    for limit in question["limits"]:
        memory = limit["series"] == "growth"
        noise = RSS_NOISE if memory else COUNT_NOISE
        cycles = cycles_to_decide(limit["per_hour"], question["cycle"], noise, "bytes" if memory else "count")
        yield Plan(limit["series"], limit["limit"], cycles)


def main() -> None:
    """Read a question from stdin, print the answer."""
    json.dump([asdict(plan) for plan in answer(json.load(sys.stdin))], sys.stdout)


if __name__ == "__main__":
    main()
