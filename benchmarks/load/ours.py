"""One run of our generator in a process of its own, so that all of its CPU time can be read: prints JSON.

`python -m benchmarks.load.ours URL SECONDS [field=value ...]`: fields of LoadPlan, and `scenario.field=value`.
"""

from __future__ import annotations

import ast
import json
import select
import sys
import time
from typing import Any

from soak.load import LoadGenerator, LoadPlan, ScenarioPlan
from soak.load.summary import Summary

LEAD_S = 0.5


def plan_of(url: str, seconds: float, settings: list[str]) -> LoadPlan:
    """The plan that the command line describes: one cycle, all of it loaded but the last tenth of a second."""
    values: dict[str, dict[str, Any]] = {"plan": {}, "scenario": {}}
    for setting in settings:
        name, _, text = setting.partition("=")
        of, _, field = name.rpartition(".")
        try:
            values[of or "plan"][field] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            values[of or "plan"][field] = text
    scenario = ScenarioPlan(**values["scenario"])
    return LoadPlan(url, (scenario,), "constant", seconds, 1, 0.1, **values["plan"])


def main(url: str, seconds: float, settings: list[str]) -> None:
    """Run it; print the summary, the resident memory over time, and the mean seconds between messages of a stream."""
    plan = plan_of(url, seconds, settings)
    summary, resident, landed = Summary(plan), [], 0
    generator = LoadGenerator(plan)
    generator.start(time.monotonic() + LEAD_S)
    while generator.running:
        select.select([generator], [], [], 1.0)
        deltas = generator.poll()
        summary.add(deltas)
        landed += sum(delta.landed for delta in deltas)
        resident += [(landed, delta.worker_rss) for delta in deltas if delta.worker_rss]
    generator.close()
    between = summary.total.latencies["between_messages"].mean
    print(json.dumps({**summary.to_json(), "resident": resident, "between_s": between}))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), sys.argv[3:])
