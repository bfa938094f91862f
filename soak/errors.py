"""Errors that end a command with one clear message; only `soak.cli` catches them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from soak.advice import advice_for

EXIT_CLEAN = 0
EXIT_LEAK = 1
EXIT_USAGE = 2
EXIT_INCONCLUSIVE = 3
EXIT_ERROR = 4
EXIT_INTERRUPTED = 130


class SoakError(Exception):
    """A problem the user can act on: `code` names its entry in `soak.advice`, `facts` fill it in."""

    exit_code = EXIT_ERROR

    def __init__(self, code: str, **facts: object) -> None:
        self.code = code
        self.facts = facts
        advice = advice_for(code)
        self.message = advice.what.format(**facts)
        self.next_step = advice.next_step.format(**facts)
        super().__init__(f"{self.message} {self.next_step}".strip())


def interpreter_unusable(error: OSError) -> SoakError:
    """What to raise when a process under soak's own interpreter cannot be started: it is another user's, or is gone."""
    return SoakError("interpreter_unusable", python=sys.executable, why=error.strerror)


class UsageError(SoakError):
    """The command line asks for something that cannot be."""

    exit_code = EXIT_USAGE


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a configuration: where it is, what was found and what is allowed."""

    file: str
    key: str
    found: str
    allowed: str
    nearest: str | None = None

    def __str__(self) -> str:
        hint = f"; did you mean {self.nearest}?" if self.nearest else ""
        return f"{self.file}: {self.key}: found {self.found}; allowed: {self.allowed}{hint}"


class ConfigError(SoakError):
    """Every problem of a configuration, at once."""

    exit_code = EXIT_USAGE

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        listing = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__("config_invalid", count=len(self.problems), listing=listing)
