"""What the analysis hands back: one frozen dataclass per question, plain numbers and codes, no prose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Decision = Literal["leak", "clean", "inconclusive"]
Passed = Literal["pass", "fail", "inconclusive"]
Kind = Literal["bytes", "count"]
Memory = Literal[
    "retained in Python",
    "retained natively",
    "fragmentation or allocator hold",
    "memory that neither Python nor malloc accounts for",
    "shared pages un-shared",
]
Cohorts = Literal["bounded", "leak", "unknown"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The growth of one series. Rates are in units of the value per hour.

    Where nothing can be said (fewer than three usable cycles) `growth_per_hour` is NaN, `ci95` is (-inf, inf) and
    `detectable_per_hour` is inf: write null for them in JSON.
    """

    verdict: Decision
    growth_per_hour: float
    ci95: tuple[float, float]
    detectable_per_hour: float
    cycles_used: int
    cycles_needed: int | None
    warnings: tuple[str, ...]
    level: float  # floor of the first cycle that was used, in units of the value; NaN where there is none

    @property
    def known(self) -> bool:
        """Whether there is an estimate at all."""
        return self.growth_per_hour == self.growth_per_hour


@dataclass(frozen=True, slots=True)
class PeakResult:
    """The highest level that at least two neighbouring samples support, against what is allowed."""

    broken: bool
    peak: float  # NaN without samples
    floor: float  # floor of the first usable cycles (0 for an absolute limit)
    excess: float  # peak - allowed, negative when it holds
    t: float  # seconds since the run began, of the peak
    phase: Literal["load", "quiet"]
    allowed: float  # the absolute level above which the limit is broken


@dataclass(frozen=True, slots=True)
class SiteResult:
    """The growth of one allocation site, type or birth place."""

    key: object
    growth_per_hour: float
    ci95: tuple[float, float]
    share: float  # of the total growth, 0 .. 1
    significant: bool  # after the correction for looking at all of them
    cohort: Cohorts
    rank_value: float  # growth minus three standard errors: what the list is sorted by


@dataclass(frozen=True, slots=True)
class CleanupResult:
    """Whether a resource came back to where it was: at once when the load dropped, and within the grace time."""

    immediate: Passed
    within_grace: Passed
    residual: float  # median over the cycles of level at the end of the grace minus the baseline
    margin: float  # what counts as "back"
    cycles_used: int


@dataclass(frozen=True, slots=True)
class CeilingResult:
    """A series against the ceiling the system puts over it (RLIMIT_NOFILE, TasksMax, cgroup memory)."""

    reached: bool
    t: float | None  # seconds since the run began, of the first sample at the ceiling
    share: float  # highest sample / ceiling; NaN without samples
    ceiling: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """Something that takes weight from a *clean* verdict; `withdraws` turns it into *inconclusive*."""

    code: str
    message: str
    weakens: bool
    withdraws: bool
