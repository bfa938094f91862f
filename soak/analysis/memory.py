"""Several memory series, one statement: where the growth sits."""

from __future__ import annotations

from soak.analysis.results import Memory, Verdict
from soak.analysis.thresholds import THRESHOLDS as T


def memory_statement(
    rss: Verdict | None,
    uss: Verdict | None,
    traced: Verdict | None,
    allocator: Verdict | None,
    pss: Verdict | None = None,
    held: float | None = None,
) -> Memory | None:
    """Say where memory is retained, from the verdicts on its series; None where none grows or it cannot be told.

    traced: bytes Python's allocator tracing sees; allocator: bytes in use inside malloc. Pages that a child shared with
    its parent and wrote to leave rss as it was and move into uss and pss. held: bytes per hour by which what allocators
    hold free grows; what they hold has to be half of the growth outside the heap to be named.
    """
    outside = rss if _grows(rss) else next((v for v in (uss, pss) if _grows(v)), None)
    if _explains(traced, outside):
        return "retained in Python"
    if _grows(allocator):
        return "retained natively"
    if outside is None:
        return None
    if rss is not None and rss.verdict == "clean" and _grows(uss if uss is not None else pss):
        return "shared pages un-shared"
    if not (_flat(traced) and _flat(allocator)) or traced is None or held is None:
        return None
    beyond = outside.growth_per_hour - max(traced.growth_per_hour, 0.0)
    if held >= T.held_share * beyond:
        return "fragmentation or allocator hold"
    return "memory that neither Python nor malloc accounts for"


def _grows(v: Verdict | None) -> bool:
    return v is not None and v.verdict == "leak"


def _flat(v: Verdict | None) -> bool:
    return v is not None and v.verdict == "clean"


def _explains(traced: Verdict | None, outside: Verdict | None) -> bool:
    """Whether Python's own growth is most of what is seen from outside."""
    if traced is None or not _grows(traced):
        return False
    return outside is None or traced.growth_per_hour >= T.python_share * outside.growth_per_hour
