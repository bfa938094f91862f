"""Findings over many runs: each report is read once, and what the pages need of it is kept, for it never changes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from soak.report.history import history
from soak.report.words import site_name
from soak_storage import Store
from soak_storage.records import RunSummary

MOST_RUNS = 200  # of one target, newest first
BARS = 40  # runs that are drawn one by one
KEPT = 1000  # digests, a few KB each
CONCLUSIVE = ("clean", "leak", "failed")
_ROW = ("name", "unit", "process", "gates", "growth_per_hour", "ci95", "limit_per_hour", "verdict")
_RUN = ("id", "name", "started", "version")
_FINDING = ("kind", "series", "unit", "severity", "fingerprint", "message", "growth_per_hour", "ci95")


class Digests:
    """The digests of a store's finished runs; used by one thread at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: OrderedDict[tuple[int, str | None], dict[str, Any] | None] = OrderedDict()
        self._last: tuple[list[tuple[int, str | None]] | None, dict[str, Any]] = (None, {})  # the view made last

    def view(self, name: str | None) -> dict[str, Any]:
        """Findings of the target `name` (None: that of the latest run) with their history, and growth per run."""
        everything = self._store.runs()
        names = list(dict.fromkeys(run.name for run in everything))
        wanted = name if name is not None else (names[0] if names else None)
        runs = [run for run in everything if run.name == wanted and run.status != "running"][:MOST_RUNS]
        made_of = [(run.id, run.verdict) for run in runs]
        if made_of != self._last[0]:
            reports = [digest for run in reversed(runs) if (digest := self._digest(run)) is not None]
            self._last = made_of, {"findings": findings_over(reports), "series": _growth_per_run(reports)}
        return {"name": wanted, "names": names, **self._last[1]}

    def _digest(self, run: RunSummary) -> dict[str, Any] | None:
        key = (run.id, run.verdict)
        if key not in self._known:
            report = self._store.latest_analysis(run.id)
            self._known[key] = None if report is None else digest_of(report)
            if len(self._known) > KEPT:
                self._known.popitem(last=False)
        return self._known[key]


def digest_of(report: Mapping[str, Any]) -> dict[str, Any]:
    """What the page of findings needs of one report."""
    rows = [row for row in report["series"] if row["gates"] and row["process"] == "total"]
    return {
        "run": {name: report["run"][name] for name in _RUN} | {"status": report["run"]["status"]},
        "verdict": report["verdict"],
        "series": [{name: row[name] for name in _ROW} for row in rows],
        "findings": [
            {name: one.get(name) for name in _FINDING}
            | {"accepted": bool(one.get("accepted")), "site": _first_site(one["sites"])}
            for one in report["findings"]
        ],
    }


def _first_site(sites: Sequence[dict[str, Any]]) -> str | None:
    return site_name(sites[0]) if sites else None


def _growth_per_run(reports: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Per series the growth in the latest runs, and since when it is what it is."""
    drawn = []
    for one in history(reports)["series"]:
        growth = [[True, point["growth_per_hour"]] for point in one["points"][-BARS:]]
        drawn.append({"name": one["name"], "unit": one["unit"], "growth": growth, "change": one["change"]})
    return drawn


def findings_over(reports: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each finding once, oldest report first: since when, in which version, how often, is it there now."""
    found: dict[str, dict[str, Any]] = {}
    for place, report in enumerate(reports):
        for finding in report["findings"]:
            mark = finding["fingerprint"]
            known = found.setdefault(mark, {"first": _began(reports, place), "growth": {}, "seen": []})
            known |= {**finding, "last": report["run"], "place": place}
            known["growth"][place] = finding["growth_per_hour"]
            known["seen"].append(report["run"]["id"])
    told = [place for place, report in enumerate(reports) if _tells(report)]
    for one in found.values():
        one["present"] = one.pop("place") >= max(told, default=0)
        growth = one["growth"]
        one["growth"] = [[place in growth, growth.get(place)] for place in range(len(reports))][-BARS:]
    return sorted(found.values(), key=_urgency)


def _tells(report: Mapping[str, Any]) -> bool:
    """Could this run have shown that a finding is gone? One that was cut short or decided nothing could not."""
    return report["verdict"] in CONCLUSIVE and report["run"]["status"] == "completed"


def _began(reports: Sequence[dict[str, Any]], place: int) -> dict[str, Any]:
    """The first run that had it, and the version of the run before: between both lies what brought it."""
    before = reports[place - 1]["run"]["version"] if place else None
    return {**reports[place]["run"], "version_before": before}


def _urgency(finding: Mapping[str, Any]) -> tuple[bool, bool, bool, int]:
    """What is there now comes first, failures before warnings, accepted ones last, the newest first."""
    warns = finding["severity"] != "fail"
    return (not finding["present"], finding["accepted"], warns, -int(finding["last"]["id"]))
