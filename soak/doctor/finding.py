"""What a check of `soak doctor` found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Result = Literal["ok", "warn", "fail", "skip"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: the area and name of the check, how it came out, what was seen, and the mend where one is due."""

    area: str
    name: str
    result: Result
    what: str
    mend: str = ""

    def to_json(self) -> dict[str, Any]:
        """The line for `--json`."""
        return asdict(self)


def worst(findings: list[Finding]) -> Result:
    """The worst result among them; a skipped check is as good as a passed one."""
    results = {finding.result for finding in findings}
    return "fail" if "fail" in results else "warn" if "warn" in results else "ok"
