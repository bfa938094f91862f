"""Before any load: every check once, each named with what it said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import wait

from soak.background import in_background
from soak.checks.kinds import ask
from soak.checks.monitor import SLACK
from soak.checks.outcome import Outcome
from soak.config import Check
from soak.errors import SoakError


def preflight(
    checks: Sequence[Check], *, ask: Callable[[Check], Outcome] = ask, slack: float = SLACK
) -> list[tuple[Check, Outcome]]:
    """Ask all of them at once; SoakError `preflight_failed` names those that did not pass.

    A check that does not return within its timeout and `slack` seconds (a name server that hangs) has failed.
    """
    if not checks:
        return []
    asked = [(check, in_background(ask, check)) for check in checks]
    wait([future for _, future in asked], max(check.timeout for check in checks) + slack)
    results = [(check, future.result() if future.done() else _late(check)) for check, future in asked]
    failed = [f"  {check.name} ({check.kind}): {outcome.why}" for check, outcome in results if not outcome.ok]
    if failed:
        raise SoakError("preflight_failed", count=len(failed), of=len(results), listing="\n".join(failed))
    return results


def _late(check: Check) -> Outcome:
    return Outcome(False, check.timeout * 1000.0, f"no answer within {check.timeout:g} s")
