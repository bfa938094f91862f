"""The report of a run as it was stored when it ended; computed anew only where there is none that is final."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from soak_storage import Store

MODEL = 6  # raised with every change of what `compute` makes: a report stored before is computed anew


def load_or_compute(store: Store, run_id: int | None, *, fresh: bool = False) -> dict[str, Any]:
    """The stored report of a run (None: the latest), if it was made after the run ended by this version of soak.

    A run cut off by a crash has only what was computed after its last cycle: that is judged again on all of its data.
    One whose samples were thinned since keeps its report, whoever made it: what is left of them says less. Only parts
    that a report did not have then are computed.
    """
    from soak import __version__

    run = store.run(run_id)
    stored = None if fresh else store.latest_analysis(run.id)
    if stored is not None and _final(stored, run.status) and _made_by(stored) == (__version__, MODEL):
        return stored
    from soak.report.compute import compute  # loads numpy: not for a list or a check of what is stored

    computed = compute(store, run.id)
    kept = stored is not None and _final(stored, run.status) and store.thinned(run.id)
    return {**computed, **stored} if kept and stored is not None else computed


def _final(report: dict[str, Any], status: str) -> bool:
    return bool(report.get("run", {}).get("status") == status != "running")


def _made_by(report: dict[str, Any]) -> tuple[Any, Any]:
    return report.get("soak_version"), report.get("model")
