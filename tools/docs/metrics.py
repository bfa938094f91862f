"""docs/reference-metrics.md: what the daemon tells Prometheus, read from the source of `soak.metrics`."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from typing import NamedTuple

from soak import metrics
from soak.troughs import SERIES
from soak_probes.probes import PROBES
from tools.docs.markdown import table

_INTRODUCTION = """\
# Reference: metrics

Generated from `soak/metrics.py` by `python tools/docs`; a test keeps it current. `soak daemon` answers them at
`/metrics` of `web.listen`. A series without a value, and a metric that means nothing at the moment, is left out.
"""
_UNIT = "<unit>"
_KINDS = {"GaugeMetricFamily": "gauge", "_gauge": "gauge", "CounterMetricFamily": "counter"}


class Row(NamedTuple):
    """One metric family."""

    name: str
    kind: str
    labels: str
    meaning: str


def render() -> str:
    """The whole document."""
    rows = ((f"`{row.name}`", row.kind, row.labels, row.meaning) for row in sorted(families()))
    return "\n".join([_INTRODUCTION, *table(("metric", "kind", "labels", "meaning"), rows), ""])


def families() -> Iterator[Row]:
    """Every family; counters end in _total, as Prometheus shows them."""
    for call in ast.walk(ast.parse(inspect.getsource(metrics))):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in _KINDS:
            kind = _KINDS[call.func.id]
            name, meaning = _text(call.args[0]), _text(call.args[1])
            if name.startswith("soak_"):
                total = "_total" if kind == "counter" else ""
                for unit in sorted(_units()) if _UNIT in name else [""]:
                    yield Row(name.replace(_UNIT, unit) + total, kind, _labels(call), meaning.replace(_UNIT, unit))


def _units() -> set[str]:
    """Of every series; a probe of the user's own is a count."""
    return {probe.unit for probe in PROBES} | {unit for _, _, unit in SERIES} | {"count"}


def _text(node: ast.expr) -> str:
    """A string literal; what an f-string fills in is the unit of a series."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else _UNIT for part in node.values)
    return ""


def _labels(call: ast.Call) -> str:
    for keyword in call.keywords:
        if keyword.arg == "labels":
            return ", ".join(f"`{label}`" for label in ast.literal_eval(keyword.value))
    return ""
