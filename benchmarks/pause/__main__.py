"""`python -m benchmarks.pause`: the longest pause of a trough reading at 500,000 gc objects, without tracemalloc.

The peer is one `gc.collect()` of the same heap by the target itself: what every full collection of its own costs it.
The pause is the longest piece of a reading in which no other thread can run; best of five, for a busy machine adds to
each (the goal is a property of the agent and not of what else runs here).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import soak_agent
from soak_probes.agent_client import AgentClient

OBJECTS = 500_000
GOAL_MS = 50.0
READINGS = 5
GUEST = f"""
import gc, sys, time
class Order: pass
kept = []
for number in range({OBJECTS} // 5):
    order = Order()
    order.lines = [number]
    order.facts = {{"a": [number]}}
    kept.append((order,))
times = []
for _ in range({READINGS}):
    begun = time.perf_counter()
    gc.collect()
    times.append(time.perf_counter() - begun)
print(min(times) * 1e3, flush=True)
sys.stdin.read()
"""


def main() -> int:
    """Print the pauses by part beside the goal; 1 when it was missed."""
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, **soak_agent.environment(Path(folder) / "agent")}
        guest = subprocess.Popen(
            [sys.executable, "-c", GUEST], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        client = AgentClient(Path(folder) / "agent")
        try:
            assert guest.stdout is not None
            peer = float(guest.stdout.readline())
            answers = [client.request(guest.pid, "read", cycle=cycle) for cycle in range(READINGS)]
        finally:
            client.close()
            guest.kill()
            guest.communicate()
    parts = {name: min(answer["pauses_ms"][name] for answer in answers) for name in answers[0]["pauses_ms"]}
    longest = max(parts.values())
    print(f"heap {answers[0]['mode']}, {answers[0]['gc_objects']:,} gc objects, best of {READINGS} readings")
    print("  ".join(f"{name} {value:.1f} ms" for name, value in parts.items()))
    missed = longest > GOAL_MS
    print(
        f"longest pause {longest:.1f} ms; peer (gc.collect by the target) {peer:.1f} ms; ratio {longest / peer:.2f}; "
        f"goal {GOAL_MS:g} ms: {'MISSED' if missed else 'ok'}"
    )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
