"""The accept list: known findings, each with a reason and a last day; they are shown and no longer fail the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from typing import Any

from soak.analysis.results import Evidence


@dataclass(frozen=True, slots=True)
class Accepted:
    """One entry of [[accept]]: a fingerprint of a finding or a site, or a pattern on the file of a site."""

    fingerprint: str | None
    file: str | None
    reason: str
    until: date | None

    def covers(self, fingerprint: str, *files: str) -> bool:
        """Whether a finding or a site with this fingerprint and these names of its file is meant."""
        if self.fingerprint is not None:
            return self.fingerprint == fingerprint
        return self.file is not None and any(fnmatchcase(file, self.file) for file in files)

    def note(self) -> dict[str, Any]:
        """As the report writes it."""
        return {"reason": self.reason, "until": self.until.isoformat() if self.until else None}


def read_accepts(entries: object) -> list[Accepted]:
    """The entries that the stored configuration of a run has."""
    rows = entries if isinstance(entries, list | tuple) else ()
    return [_read(row) for row in rows if isinstance(row, Mapping)]


def _read(row: Mapping[str, Any]) -> Accepted:
    until = row.get("until")
    last = date.fromisoformat(until[:10]) if isinstance(until, str) else until
    return Accepted(row.get("fingerprint"), row.get("file"), str(row.get("reason", "")), last)


def apply_accepts(
    findings: Iterable[dict[str, Any]], series: Iterable[dict[str, Any]], accepts: Sequence[Accepted], started: float
) -> list[Evidence]:
    """Turn what is accepted on the day of the run into warnings; returns evidence on entries that ran out.

    A finding is accepted by its own fingerprint, or when what its accepted sites do not explain is within the limit.
    """
    day = datetime.fromtimestamp(started, UTC).date()
    valid = [entry for entry in accepts if entry.until is None or day <= entry.until]
    expired = [entry for entry in accepts if entry not in valid]
    rows = {row["name"]: row for row in series if row["process"] == "total"}
    said = []
    for finding in findings:
        by = _accepted_by(finding, valid)
        if by is not None:
            finding.update(severity="warn", accepted=by.note())
            for name in (finding["series"], *finding.get("also", [])):
                if name in rows and finding["kind"] == "growth":
                    rows[name]["accepted"] = True
        said += [entry for entry in expired if _touches(entry, finding) and entry not in said]
    return [
        Evidence("accept_expired", f"the acceptance “{entry.reason}” ran out on {entry.until}", False, False)
        for entry in said
    ]


def _accepted_by(finding: dict[str, Any], valid: Sequence[Accepted]) -> Accepted | None:
    for entry in valid:
        if entry.fingerprint is not None and entry.fingerprint == finding["fingerprint"]:
            return entry
    covered, by = 0.0, None
    for site in finding["sites"]:
        entry_of_site = next((entry for entry in valid if _covers_site(entry, site)), None)
        if entry_of_site is not None:
            site["accepted"] = entry_of_site.note()
            covered += site["growth_per_hour"] or 0.0
            by = by or entry_of_site
    limit = finding.get("limit_per_hour")
    rest = (finding["growth_per_hour"] or 0.0) - covered
    return by if by is not None and limit is not None and rest <= limit else None


def _touches(entry: Accepted, finding: dict[str, Any]) -> bool:
    return entry.fingerprint == finding["fingerprint"] or any(_covers_site(entry, site) for site in finding["sites"])


def _covers_site(entry: Accepted, site: dict[str, Any]) -> bool:
    likely = site.get("likely") or site
    return entry.covers(site["fingerprint"], site["file"], site["short"], likely["file"], likely["short"])
