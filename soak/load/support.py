"""What this version of the load can do; the rest of the contract is refused by name, never ignored."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import TYPE_CHECKING

from soak.errors import SoakError
from soak.load import profiles

if TYPE_CHECKING:
    from soak.load.plan import LoadPlan, ScenarioPlan

SUPPORTED_KINDS = ("http", "sse", "websocket", "python", "grpc", "locust", "command")
STREAM_KINDS = ("sse", "websocket")
SUPPORTED_PROFILES = (*profiles.MAKERS, *profiles.NAMED)


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
    problems = []
    if scenario.kind in ("python", "locust", "command") and any(scenario.faults.values()):
        problems.append(f'faults for kind "{scenario.kind}"')
    if scenario.kind == "grpc":
        problems += _of_grpc(scenario)
    if scenario.kind == "command" and not scenario.command:
        problems.append('kind "command" without a command')
    if scenario.kind == "locust" and not scenario.file:
        problems.append('kind "locust" without a file')
    if scenario.streams is not None and scenario.kind not in STREAM_KINDS:
        problems.append(f'streams for kind "{scenario.kind}"')
    return problems


def _of_grpc(scenario: ScenarioPlan) -> list[str]:
    problems = [f'fault "{name}" for kind "grpc"' for name in scenario.faults if name != "abandon"]
    if importlib.util.find_spec("grpc") is None:
        problems.append("kind \"grpc\" without its extra: pip install '.[grpc]' in soak's clone")
    return problems


def refuse(plan: LoadPlan) -> None:
    """SoakError load_unsupported that names everything this version cannot do."""
    problems = unsupported(plan)
    if problems:
        raise SoakError("load_unsupported", what="; ".join(problems))


def check_function(reference: str, folder: str) -> None:
    """SoakError load_function when a scenario's function cannot be used; found by a process of its own.

    The user's file runs there and not in the daemon, which must stay small and must not be at its mercy.
    """
    command = [sys.executable, "-P", "-m", "soak.load.scripted", reference, folder]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if found.returncode:
        why = (found.stdout.strip() or found.stderr.strip() or "its file ended the process").splitlines()[-1]
        raise SoakError("load_function", reference=reference, why=why)
