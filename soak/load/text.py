"""A load run in plain text: what would be sent, how it goes, how it went; at most 100 columns, no colour needed."""

from __future__ import annotations

from collections.abc import Mapping

from soak.load.plan import LoadPlan, ScenarioPlan
from soak.load.shapes import seconds
from soak.load.summary import Summary, Sums

DRAWING_WIDTH = 64
_COLUMNS = ("p50", "p90", "p95", "p99", "p99.9", "max")
_ROWS = (
    ("response", "from the intended time"),
    ("service", "from the actual send time"),
    ("lateness", "of the generator itself"),
    ("first_message", "to the first message"),
    ("between_messages", "between two messages"),
)


_HTTP2 = {"on": "plain requests over HTTP/2", "auto": "plain requests over HTTP/2 where an https target chooses it"}


def described_plan(plan: LoadPlan) -> str:
    """What would be sent: the shape as a sentence and a drawing, then the scenarios."""
    shape = plan.shape()
    if plan.profile == "none":
        return f"{shape.sentence()}; the scenarios are not run"
    total = 0.0 if plan.closed else shape.due(plan.length)
    lines = [shape.sentence(), "", shape.drawing(DRAWING_WIDTH), ""]
    if total:
        lines.append(
            f"{total:,.0f} requests in {plan.cycles} cycles ({seconds(plan.length)}), {plan.arrivals} arrivals"
        )
    if plan.http2 != "off":
        lines.append(_HTTP2[plan.http2])
    shared = sum(scenario.share for scenario in plan.scenarios)
    lines += [f"  {_described(scenario, shared)}" for scenario in plan.scenarios]
    return "\n".join(lines)


def _described(scenario: ScenarioPlan, shared: float) -> str:
    what = scenario.function or f"{scenario.method} {scenario.path}"
    faults = ", ".join(f"{name} {share:.0%}" for name, share in scenario.faults.items() if share)
    return f"{scenario.name}: {scenario.kind} {what}, {_amount(scenario, shared)}{f'; {faults}' if faults else ''}"


def _amount(scenario: ScenarioPlan, shared: float) -> str:
    own = {
        "requests/s": scenario.rate,
        "users": scenario.users,
        "in each cycle": scenario.count,
        "streams at once": scenario.streams,
    }
    for unit, value in own.items():
        if value is not None:
            return f"{value:g} {unit}"
    return f"{scenario.share / shared:.0%} of the arrivals" if shared else "no arrivals"


def status_line(summary: Summary, now: float) -> str:
    """One line while it runs."""
    plan, counts = summary.plan, summary.total.counts
    cycle = min(int(max(now, 0.0) // plan.cycle) + 1, plan.cycles)
    errors = sum(sum(sums.errors.values()) for sums in summary.scenarios.values())
    unit = "users" if plan.closed else "req/s"
    return (
        f"cycle {cycle}/{plan.cycles}, {plan.shape().rate(max(now, 0.0)):.1f} {unit}, "
        f"{counts['landed']} landed, {errors} errors, {counts['dropped']} dropped, "
        f"{seconds(round(max(0.0, plan.length - now)))} left"
    )


def table(summary: Summary) -> str:
    """Counts and latencies of the whole, and of each scenario when there are several."""
    blocks = [_block("all scenarios" if len(summary.scenarios) > 1 else next(iter(summary.scenarios)), summary.total)]
    if len(summary.scenarios) > 1:
        blocks += [_block(name, sums) for name, sums in summary.scenarios.items()]
    for outage in summary.outages.values():
        end = "the end" if outage["to"] is None else f"{outage['to']:.1f} s"
        blocks.append(f"outage from {outage['from']:.1f} s to {end}: {outage['why']}")
    blocks += [f"gap from {gap['from']:.1f} s to {gap['to']:.1f} s: {gap['why']}" for gap in summary.gaps]
    if summary.limited_s:
        blocks.append(f"in {summary.limited_s:.0f} s the generator itself was the limit (late or dropping)")
    return "\n".join(blocks)


def _block(name: str, sums: Sums) -> str:
    counts = sums.counts
    lines = [f"{name}: {counts['due']} due, {counts['sent']} sent, {counts['landed']} landed"]
    for key, table_ in (("errors", sums.errors), ("broken on purpose", sums.faulted), ("counted", sums.checks)):
        if table_:
            lines.append(f"  {key}: {_listed(table_)}")
    lines += [f"  {key}: {counts[key]}" for key in ("dropped", "withheld") if counts[key]]
    if any(sums.latencies[key].count for key, _ in _ROWS):
        lines.append(f"  {'latency, ms':28}" + "".join(f"{column:>10}" for column in _COLUMNS))
    for key, label in _ROWS:
        if sums.latencies[key].count:
            figures = sums.latencies[key].percentiles_ms()
            lines.append(f"  {label:28}" + "".join(f"{_number(figures[column]):>10}" for column in _COLUMNS))
    return "\n".join(lines)


def _listed(table_: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(table_.items()) if count)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}" if value < 100 else f"{value:.0f}"
