"""What this version of the load can do; the rest of the contract is refused by name, never ignored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from soak.errors import SoakError
from soak.load import profiles

if TYPE_CHECKING:
    from soak.load.plan import LoadPlan, ScenarioPlan

SUPPORTED_KINDS = ("http", "sse", "websocket")
SUPPORTED_PROFILES = (*(name for name in profiles.MAKERS if name != "capacity"), *profiles.NAMED)


def unsupported(plan: LoadPlan) -> list[str]:
    """What the plan asks for and this version cannot do, in words."""
    problems = []
    if plan.profile not in SUPPORTED_PROFILES:
        problems.append(f'load.profile = "{plan.profile}"')
    for scenario in plan.scenarios:
        problems += [f"scenario {scenario.name}: {what}" for what in _of_scenario(scenario)]
    return problems


def _of_scenario(scenario: ScenarioPlan) -> list[str]:
    if scenario.kind not in SUPPORTED_KINDS:
        return [f'kind = "{scenario.kind}"']
    return ["streams"] if scenario.streams is not None else []


def refuse(plan: LoadPlan) -> None:
    """SoakError load_unsupported that names everything this version cannot do."""
    problems = unsupported(plan)
    if problems:
        raise SoakError("load_unsupported", what="; ".join(problems))
