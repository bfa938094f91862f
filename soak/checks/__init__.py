"""Checks of dependencies and health: one file per kind, a part that runs them, and their figures as pure functions."""

from soak.checks.health import DEGRADED, HEALTHY, UNHEALTHY, UNKNOWN, CheckHealth, aggregate, uptime
from soak.checks.hours import Hours
from soak.checks.kinds import KINDS, ask
from soak.checks.monitor import Checks
from soak.checks.outcome import Outcome
from soak.checks.preflight import preflight

__all__ = [
    "DEGRADED",
    "HEALTHY",
    "KINDS",
    "UNHEALTHY",
    "UNKNOWN",
    "CheckHealth",
    "Checks",
    "Hours",
    "Outcome",
    "aggregate",
    "ask",
    "preflight",
    "uptime",
]
