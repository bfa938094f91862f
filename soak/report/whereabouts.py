"""Where growing memory sits: one statement from several series, and which process has most of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from soak.analysis import memory_statement
from soak.analysis.results import Memory, Verdict
from soak.report.inputs import TOTAL, RunData
from soak.report.series import Judged
from soak.report.split import held_growth
from soak.report.units import share

LIKELY: dict[str, str] = {
    "memory that neither Python nor malloc accounts for": ": mmap, another allocator, or a process without an agent"
}


def whereabouts(
    data: RunData, series: Sequence[Judged], verdicts: Mapping[str, Verdict | None], judged: Judged
) -> tuple[Memory | None, list[str]]:
    """The statement on memory, and the sentence with it; `verdicts` are those of the totals, `judged` is what grows."""
    statement = memory_statement(
        verdicts.get("rss"),
        verdicts.get("uss"),
        verdicts.get("python_heap"),
        verdicts.get("malloc"),
        pss=verdicts.get("pss"),
        held=held_growth(series),
    )
    most = most_of_it(data, series) if statement in LIKELY or judged.info.name != "python_heap" else None
    text = f"It is {statement}{LIKELY.get(statement, '')}" if statement else ""
    if most is None:
        return statement, [f"{text}."] if text else []
    return statement, [f"{text}; {most}." if text else f"{most[0].upper()}{most[1:]}."]


def most_of_it(data: RunData, series: Sequence[Judged]) -> str | None:
    """`97 % of it is in 4711 child node`, of the growth that can be seen from outside; None of a single process."""
    rows = [one for one in series if one.info.name == "rss" and one.info.process != TOTAL]
    growing = {
        one.info.process: one.verdict.growth_per_hour
        for one in rows
        if one.verdict is not None and one.verdict.known and one.verdict.growth_per_hour > 0
    }
    if len(rows) < 2 or not growing:
        return None
    process = max(growing, key=lambda name: growing[name])
    pid, _, role = process.partition(":")
    name = next((row.name for row in data.processes if str(row.pid) == pid and row.name), "")
    agents = {reading.process for reading in data.readings}
    alone = ", which has no agent" if agents and process not in agents else ""
    return f"{share(growing[process] / sum(growing.values()))} of it is in {' '.join([pid, role, name]).strip()}{alone}"
